import { createHash } from "node:crypto";
import { Cancelled, ConnectionFailed, FailedChange } from "../model/errors";
import type { Change, PropApp, Steps } from "../model/property";
import type { PosixTarget } from "../model/target";

/**
 * The follow-up of a change: pending from before the change until the follow-up is done. As long as it is pending, a flag
 * is set on the host.
 *
 * In the agent setting a flag is cheaper than reading a file, so it is set before anything may be changed, and cleared
 * when nothing was: a crash never loses a follow-up. Over a shell a flag costs a round trip; there it is set in advance
 * only when a `check` has found something to change, otherwise once the change is known. So over a shell, a link lost
 * just after a change without a `check` loses the follow-up. When a `check` finds that the property holds, no flag is
 * set. Existing flags are read once per deployment, concurrently with the first property that needs them.
 */
export class FollowUp {
  readonly #name: string;
  readonly #args: Args;
  readonly #target: PosixTarget;
  readonly #steps: Steps;
  readonly #leftUndone: Promise<boolean>;
  /** True: an equal application has failed in this deployment, and owns the flag. */
  readonly #foreign: boolean;
  #begun = false;
  #flagged: Promise<void> | undefined;

  constructor(args: Args, target: PosixTarget, steps: Steps) {
    this.#name = nameOf(args.when, target);
    this.#args = args;
    this.#target = target;
    this.#steps = steps;
    const owner = target.memory.get(OWNER + this.#name);
    this.#foreign = owner !== undefined && owner !== args;
    const flag = target.state.has(this.#name).then((has) => has && !this.#foreign);
    // The property itself reports a lost link or a cancellation.
    this.#leftUndone = flag.catch((error) => this.#complain(error)).then((has) => has === true);
  }

  /** True when an earlier deployment left the follow-up undone. */
  leftUndone(): Promise<boolean> {
    return this.#leftUndone;
  }

  /** Runs `act`, which may change something; if it fails after a change, the follow-up is pending. */
  async around(act: (steps: Steps) => Promise<Change>): Promise<Change> {
    const beforeChange = async (_inner: Steps, checked: boolean) => {
      this.#begun = true;
      if (checked || this.#target.kind === "agent") await this.setPending();
    };
    try {
      return await act(this.#steps.within({ beforeChange }));
    } catch (error) {
      const changed = this.#begun && (this.#steps.touched || error instanceof Cancelled);
      if (error instanceof ConnectionFailed) throw error;
      if (changed) await this.setPending();
      else if (!(await this.#leftUndone)) await this.clear();
      throw error;
    }
  }

  /** The follow-up is pending from now on. */
  async setPending(): Promise<void> {
    if (this.#foreign) return;
    this.#target.memory.set(OWNER + this.#name, this.#args);
    this.#flagged ??= this.#setFlag();
    await this.#flagged;
  }

  /** The follow-up is no longer pending. */
  async clear(): Promise<void> {
    const leftUndone = await this.#leftUndone;
    await this.#flagged;
    if (this.#flagged || leftUndone) await this.#orComplain(() => this.#target.state.clear(this.#name));
    this.#flagged = undefined;
    if (!this.#foreign) this.#target.memory.delete(OWNER + this.#name);
  }

  async #setFlag(): Promise<void> {
    if (await this.#leftUndone) return;
    const { when, then } = this.#args;
    const located = ({ property, site }: PropApp) => `${property} at ${site}`;
    const text = JSON.stringify({
      host: this.#target.host.name,
      changed: located(when),
      pending: then.map(located),
      since: new Date().toISOString(),
    });
    await this.#orComplain(() => this.#target.state.set(this.#name, `${text}\n`));
  }

  async #orComplain(act: () => Promise<void>): Promise<void> {
    await act().catch((error) => {
      if (error instanceof ConnectionFailed) throw error;
      this.#complain(error);
    });
  }

  /** A host that cannot store flags, perhaps because its disk is full, is still deployed to. */
  #complain(error: unknown): void {
    if (error instanceof ConnectionFailed || error instanceof Cancelled) return;
    if (!(error instanceof FailedChange)) throw error;
    this.#steps.notice(
      `if the follow-up of ${this.#args.when.property} at ${this.#args.when.site} fails, the next deployment will not repeat it: ${error.message}`,
    );
  }
}

interface Args {
  readonly when: PropApp;
  readonly then: readonly PropApp[];
}

/** Key prefix in the memory of a deployment: the application that owns the flag of that name. */
const OWNER = "deployment.onChange/";

/**
 * The name of the flag depends on the host and the changed property, but not on the follow-up, which the user may have to
 * fix; nor on sites, which move with every edit above them.
 */
function nameOf({ property, args }: PropApp, { host }: PosixTarget): string {
  const text = JSON.stringify([host.name, property, args], withoutSites);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

const withoutSites = (_key: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && "property" in value && "args" in value
    ? { property: value.property, args: value.args }
    : value;
