import { definitionOf } from "../model/application";
import { type HostFacts, shared } from "../model/host-facts";
import type { Change, Direction, PropApp, StepOptions, Steps } from "../model/property";
import type { PosixTarget } from "../model/target";
import { StepOptionsStack } from "./step-options";

/** Where it takes a while until a question is answered: what steps ask before their turn. */
export interface AheadOfTurn {
  readonly host: HostFacts;
  /** Since the last look: whether a step had to ask in its turn, and whether an act has made answers void. */
  readonly since: { readonly asked: boolean; readonly voided: boolean };
  /** Begins a look: `ask` is given targets that answer questions and end at the first act. Does nothing while one goes on. */
  look(ask: (target: () => PosixTarget) => Promise<unknown>): void;
}

/** So many applications are looked at first, and at least so many later. */
const FIRST = 256;
const LEAST = 8;

/**
 * Lets the steps of a tree ask ahead of their turn: each is begun on a target of its own, on which nothing acts, so all of
 * them ask together. What they answer is used for nothing; when its turn has come, the step asks again, and the target has
 * the answer. The more answers become void because steps act, the fewer steps are looked at ahead.
 */
export class LookAhead {
  readonly #begun = new Set<PropApp>();
  readonly #ended = new Set<PropApp>();
  #window = FIRST;
  #isFirst = true;

  constructor(
    private readonly ahead: AheadOfTurn,
    private readonly root: PropApp,
    private readonly isPrepared: (application: PropApp) => boolean,
  ) {}

  /** Looks ahead, if answers are missing. */
  look(): void {
    const { asked, voided } = this.ahead.since;
    if (!asked && !voided) return;
    if (!this.#isFirst) this.#window = voided ? Math.max(LEAST, this.#window / 2) : this.#window * 2;
    this.ahead.look(async (target) => {
      // As they are now: the step whose turn it is goes on meanwhile.
      const [begun, ended] = [new Set(this.#begun), new Set(this.#ended)];
      const remaining = (application: PropApp) => {
        if (ended.has(application) || !this.isPrepared(application)) return "nothing";
        return begun.has(application) ? "inside" : "all";
      };
      const look: Look = { target, remaining, left: this.#window, all: [] };
      const steps = new StepsAhead(look, StepOptionsStack.none);
      if (this.#isFirst) steps.compareDeclarations(this.ahead.host);
      this.#isFirst = false;
      await steps.apply(this.root);
      for (const each of look.all) await each;
    });
  }

  begin(application: PropApp): void {
    this.look();
    this.#begun.add(application);
  }

  end(application: PropApp): void {
    this.#ended.add(application);
  }
}

/** One look at the steps of a tree. */
interface Look {
  target(): PosixTarget;
  /** What is left to do of `application`. */
  remaining(application: PropApp): "all" | "inside" | "nothing";
  /** How many more applications are looked at. */
  left: number;
  /** What was begun; grows meanwhile. */
  readonly all: Promise<unknown>[];
}

/** Steps that are begun, but not waited for: each comes to nothing at once. */
class StepsAhead implements Steps {
  readonly touched = false;

  constructor(
    private readonly lookAt: Look,
    private readonly options: StepOptionsStack,
  ) {}

  async apply(application: PropApp): Promise<Change> {
    this.#begin(() => this.#ask(application, "apply"));
    return "unchanged";
  }

  async unapply(application: PropApp): Promise<Change> {
    this.#begin(() => this.#ask(application, "unapply"));
    return "unchanged";
  }

  attempt(application: PropApp, direction: Direction = "apply"): Promise<Change> {
    return this[direction](application);
  }

  within(options: StepOptions): Steps {
    return new StepsAhead(this.lookAt, this.options.with(options));
  }

  following(): Steps {
    return this;
  }

  skip(): void {}
  notice(): void {}
  expects(): boolean {
    return false;
  }

  compareDeclarations(host: HostFacts): void {
    for (const { args, property } of host.all(shared.declarations)) {
      const { mismatch } = definitionOf(property) as Slots;
      this.#begin(() => mismatch?.(args, this.lookAt.target()));
    }
  }

  /** Whatever goes wrong, the step meets it again in its turn. */
  #begin(work: () => Promise<unknown> | undefined): void {
    this.lookAt.all.push((async () => work())().catch(() => {}));
  }

  async #ask(application: PropApp, direction: Direction): Promise<void> {
    const { args, parts, nested, property } = application;
    const remaining = this.lookAt.remaining(application);
    const definition = definitionOf(property);
    if (remaining === "nothing" || definition.kind !== "posix" || this.lookAt.left <= 0) return;
    const slots = definition as Slots;
    const target = this.options.targetFor(this.lookAt.target());
    if (!definition.inline) this.lookAt.left -= 1;
    const check = remaining === "all" && asksTarget(slots.check) ? slots.check : undefined;
    if (check && (await check(args, target)) === (direction === "apply")) return;
    const slot = slots.rows ?? slots[direction];
    if (slot) {
      if (asksTarget(slot)) await slot(args, target, this);
    } else if (!nested) for (const part of parts ?? []) await this[direction](part);
  }
}

/** Whether a slot takes a target: one that takes none has nothing to ask, and is not called before its turn. */
const asksTarget = (slot: ((...given: never[]) => unknown) | undefined): boolean => (slot?.length ?? 0) > 1;

/** The slots as they are called here. */
interface Slots {
  readonly check?: (args: unknown, target: PosixTarget) => Promise<boolean>;
  readonly apply?: (args: unknown, target: PosixTarget, steps: Steps) => Promise<Change>;
  readonly unapply?: (args: unknown, target: PosixTarget, steps: Steps) => Promise<Change>;
  readonly rows?: (args: unknown, target: PosixTarget) => Promise<unknown>;
  readonly mismatch?: (args: unknown, target: PosixTarget) => Promise<string | undefined>;
}
