import { createHash } from "node:crypto";
import { Cancelled, ConnectionFailed, FailedChange } from "../model/errors";
import type { Change, PropApp, Steps } from "../model/property";
import type { PosixTarget } from "../model/target";

/**
 * What should follow a change: owed from before the change until it is done, and as long as that a mark stands on the
 * host.
 *
 * In the agent a mark costs less than a look at a file, so it is written before anything may be changed, and removed
 * when nothing was: no crash can come between. Over a shell it would cost a round trip; there it is written first only
 * when a `check` has said that there is something to change, else when the change is known. There a link lost at the
 * very moment of a change that had no `check` loses what should follow. Where a `check` says that all holds, no mark is
 * written; the marks there are, are looked up once a deployment, beside the first property that wants to know.
 */
export class Owed {
  readonly #name: string;
  readonly #args: Args;
  readonly #target: PosixTarget;
  readonly #steps: Steps;
  readonly #left: Promise<boolean>;
  /** Another application said the same, and has failed in this very deployment: its mark is left alone. */
  readonly #foreign: boolean;
  #begun = false;
  #marked: Promise<void> | undefined;

  constructor(args: Args, target: PosixTarget, steps: Steps) {
    this.#name = nameOf(args.when, target);
    this.#args = args;
    this.#target = target;
    this.#steps = steps;
    const owner = target.memory.get(OWNER + this.#name);
    this.#foreign = owner !== undefined && owner !== args;
    const left = target.state.has(this.#name).then((has) => has && !this.#foreign);
    // Should the link be lost or the work be cancelled, the property itself will say so.
    this.#left = left.catch((error) => this.#complain(error)).then((has) => has === true);
  }

  /** Whether an earlier deployment has left it undone. */
  isLeft(): Promise<boolean> {
    return this.#left;
  }

  /** `act` may change something; should it fail after that, it is owed. */
  async around(act: (steps: Steps) => Promise<Change>): Promise<Change> {
    const beforeChange = async (_inner: Steps, checked: boolean) => {
      this.#begun = true;
      if (checked || this.#target.kind === "agent") await this.mark();
    };
    try {
      return await act(this.#steps.within({ beforeChange }));
    } catch (error) {
      const changed = this.#begun && (this.#steps.touched || error instanceof Cancelled);
      if (error instanceof ConnectionFailed) throw error;
      if (changed) await this.mark();
      else if (!(await this.#left)) await this.forget();
      throw error;
    }
  }

  /** From now on it is owed. */
  async mark(): Promise<void> {
    if (this.#foreign) return;
    this.#target.memory.set(OWNER + this.#name, this.#args);
    this.#marked ??= this.#write();
    await this.#marked;
  }

  /** It is not owed, or not any more. */
  async forget(): Promise<void> {
    const left = await this.#left;
    await this.#marked;
    if (this.#marked || left) await this.#orComplain(() => this.#target.state.clear(this.#name));
    this.#marked = undefined;
    if (!this.#foreign) this.#target.memory.delete(OWNER + this.#name);
  }

  async #write(): Promise<void> {
    if (await this.#left) return;
    const { when, then } = this.#args;
    const said = ({ property, site }: PropApp) => `${property} at ${site}`;
    const text = JSON.stringify({
      host: this.#target.host.name,
      changed: said(when),
      owed: then.map(said),
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

  /** A host on which nothing can be kept, a full disk perhaps, is no reason to leave what can be done undone. */
  #complain(error: unknown): void {
    if (error instanceof ConnectionFailed || error instanceof Cancelled) return;
    if (!(error instanceof FailedChange)) throw error;
    this.#steps.notice(
      `should what follows a change of ${this.#args.when.property} at ${this.#args.when.site} fail, it will not be remembered: ${error.message}`,
    );
  }
}

interface Args {
  readonly when: PropApp;
  readonly then: readonly PropApp[];
}

/** In the memory of a deployment: which application has left the mark of that name. */
const OWNER = "onChange/";

/**
 * Of the host and of what changed, not of what should follow: mending that must not lose it. Nor of the place in the
 * consfig, which moves with every line above it.
 */
function nameOf({ property, args }: PropApp, { host }: PosixTarget): string {
  const text = JSON.stringify([host.name, property, args], withoutPlaces);
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

const withoutPlaces = (_key: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && "property" in value && "args" in value
    ? { property: value.property, args: value.args }
    : value;
