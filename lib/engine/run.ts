import { appliedAnywhere } from "../model/application";
import { Cancelled, type Failure, failureOf } from "../model/errors";
import type { RanCommand, StepStatus } from "../model/events";
import type { PropApp } from "../model/property";
import type { PosixTarget } from "../model/target";
import type { Applying } from "./applying";
import { adopt, lostNotice } from "./prepare-late";

/** One pass over a tree. */
export class Walk {
  failed = false;
  cancelled = false;
  #steps = 0;
  /** Those that have begun and not ended, in the order in which they began. */
  readonly #running = new Set<number>();
  /** Errors that a step has shown already: those around it only say that they failed. */
  readonly #shown = new WeakSet<object>();
  readonly #prepared: Set<PropApp>;

  constructor(
    readonly applying: Applying,
    root: PropApp,
  ) {
    this.#prepared = new Set(appliedAnywhere(root));
  }

  nextStep(): number {
    this.#steps += 1;
    return this.#steps;
  }

  begin(parent: number | undefined, property: string, desc: string, site: string): number {
    const step = this.nextStep();
    this.#running.add(step);
    const inside = parent !== undefined && { parent };
    this.applying.emit({ kind: "step-started", step, ...inside, property, desc, site });
    return step;
  }

  end(step: number, status: StepStatus, ms: number, more: { reason?: string; failure?: Failure }): void {
    this.#running.delete(step);
    this.applying.emit({ kind: "step-ended", step, status, ms: Math.round(ms * 10) / 10, ...more });
  }

  /** Tells of each command that `step` runs; undefined: of each that is run between the steps. */
  ran(step: number | undefined): (command: RanCommand) => void {
    return (command) =>
      this.applying.emit({ kind: "command-ran", ...(step !== undefined && { step }), ...command });
  }

  /** An error that nobody waited for is a failed step inside of the one that began last. */
  stray(error: unknown): void {
    const step = this.begin([...this.#running].at(-1), "stray", "what was left to itself", "");
    this.note(error);
    this.end(step, "failed", 0, { failure: failureOf(error) });
  }

  isShown(error: unknown): boolean {
    return typeof error === "object" && error !== null && this.#shown.has(error);
  }

  /** A step ended with `error`, and says so. */
  show(error: unknown): void {
    if (typeof error === "object" && error !== null) this.#shown.add(error);
  }

  /** A step failed with `error`. */
  note(error: unknown): void {
    this.failed = true;
    if (error instanceof Cancelled) this.cancelled = true;
  }

  /** Asked before each step. */
  stopped(): string | undefined {
    const reason = this.applying.stopped();
    if (reason) this.cancelled = true;
    return reason;
  }

  /** `application` as it can be applied; one that a property made just now is prepared first. */
  prepared(application: PropApp, target: PosixTarget): PropApp {
    if (this.#prepared.has(application)) return application;
    const adopted = adopt(application, target, (facts) =>
      this.applying.emit({ kind: "notice", text: lostNotice(application, facts) }),
    );
    for (const each of appliedAnywhere(adopted)) this.#prepared.add(each);
    return adopted;
  }
}

/** How often something may have been changed in one application; each counts for those around it, too. */
export class Tally {
  #changes = 0;

  constructor(private readonly around?: Tally) {}

  get some(): boolean {
    return this.#changes > 0;
  }

  add(): void {
    this.#changes += 1;
    this.around?.add();
  }
}
