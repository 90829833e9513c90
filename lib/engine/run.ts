import { appliedAnywhere } from "../model/application";
import {
  AbortedChange,
  Cancelled,
  ConnectionFailed,
  type Expected,
  type Failure,
  failureOf,
} from "../model/errors";
import type { CommandTrace, StepEvent, StepStatus } from "../model/events";
import type { JobOutcome } from "../model/job";
import type { Change, Nested, PropApp } from "../model/property";
import type { PosixTarget } from "../model/target";
import { lostFactsNotice, prepareLate } from "./prepare-late";

/** What applying a tree needs from the place where it happens. */
export interface ApplyContext {
  /** A target whose output belongs to one step. `onCommand` hears of its commands, in verbose deployments. */
  target(
    output: (stream: "stdout" | "stderr", text: string) => void,
    onCommand: (command: CommandTrace) => void,
  ): PosixTarget;
  emit(event: StepEvent): void;
  /** Why no further step may start; undefined while they may. */
  stopped(): string | undefined;
  /** Reports errors that nothing handles, until the returned function is called. Left out: others see to them. */
  onUnhandledError?(listener: (error: unknown) => void): () => void;
  /** Names of the error classes that somebody around this tree expects. */
  readonly expected?: readonly string[] | undefined;
  /** What properties registered for the end, last registered first. */
  readonly atEnd: AtEnd;
  /** Deploys from here; its events are reported as they come. Left out: nothing can be nested here. */
  nest?(nested: Nested, emit: (event: StepEvent) => void): Promise<JobOutcome>;
}

/** Work for the end of a deployment: each key once. */
export type AtEnd = Map<string, (target: PosixTarget, result: Change) => Promise<void>>;

/** What happened when a tree was applied. */
export interface Outcome {
  readonly change: Change;
  /** True when a step failed, whether or not others went on. */
  readonly failed: boolean;
  /** True when a step was ended, or not started, because somebody asked for that. */
  readonly cancelled: boolean;
  /** How the tree as a whole ended, when a failure in it was not passed over; a step has reported it. */
  readonly broken?: "failed" | "aborted";
  /** The error that ended it, when somebody around this tree expects that. */
  readonly expected?: Expected;
}

/** One application of a tree: numbers its steps, and knows which have failed. */
export class Run {
  failed = false;
  cancelled = false;
  #steps = 0;
  /** Steps that have started and not ended, in the order in which they started. */
  readonly #running = new Set<number>();
  /** Errors that a step has reported: the steps around it only say that they failed. */
  readonly #reported = new WeakSet<object>();
  readonly #prepared: Set<PropApp>;

  constructor(
    readonly context: ApplyContext,
    root: PropApp,
  ) {
    this.#prepared = new Set(appliedAnywhere(root));
  }

  begin(parent: number | undefined, property: string, desc: string, site: string): number {
    const step = this.#nextStep();
    this.#running.add(step);
    const inside = parent !== undefined && { parent };
    this.context.emit({ kind: "step-started", step, ...inside, property, desc, site });
    return step;
  }

  end(step: number, status: StepStatus, ms: number, more: { reason?: string; failure?: Failure }): void {
    this.#running.delete(step);
    this.context.emit({ kind: "step-ended", step, status, ms: Math.round(ms * 10) / 10, ...more });
  }

  /** Reports each command that `step` runs; undefined: each that is run between the steps. */
  commandListener(step: number | undefined): (command: CommandTrace) => void {
    return (command) =>
      this.context.emit({ kind: "command-ran", ...(step !== undefined && { step }), ...command });
  }

  /** Reports an error that nothing handled as a failed step inside the one that started last. */
  failUnhandled(error: unknown): void {
    const step = this.begin([...this.#running].at(-1), "unhandledError", "unhandled error", "");
    this.noteFailure(error);
    this.end(step, "failed", 0, { failure: failureOf(error) });
  }

  isReported(error: unknown): boolean {
    return typeof error === "object" && error !== null && this.#reported.has(error);
  }

  /** A step has reported `error`. */
  markReported(error: unknown): void {
    if (typeof error === "object" && error !== null) this.#reported.add(error);
  }

  /** A step failed with `error`. */
  noteFailure(error: unknown): void {
    this.failed = true;
    if (error instanceof Cancelled) this.cancelled = true;
  }

  /** Asked before each step. */
  stopped(): string | undefined {
    const reason = this.context.stopped();
    if (reason) this.cancelled = true;
    return reason;
  }

  /** `application` ready to be applied; one that a property made just now is prepared first. */
  prepared(application: PropApp, target: PosixTarget): PropApp {
    if (this.#prepared.has(application)) return application;
    const prepared = prepareLate(application, target, (facts) =>
      this.context.emit({ kind: "notice", text: lostFactsNotice(application, facts) }),
    );
    for (const each of appliedAnywhere(prepared)) this.#prepared.add(each);
    return prepared;
  }

  /** Deploys `nested` from here; its steps become steps inside `parent`. */
  async nest(nested: Nested, parent: number | undefined): Promise<JobOutcome> {
    const { context } = this;
    if (!context.nest) throw new AbortedChange("no deployment can be made from here");
    try {
      return await context.nest(nested, this.#renumbering(parent));
    } catch (error) {
      // That a further host cannot be reached is the failure of one step: we ourselves are still connected.
      throw error instanceof ConnectionFailed ? new AbortedChange(error.message, { cause: error }) : error;
    }
  }

  /** Emits the events of a nested deployment with step numbers of this one. */
  #renumbering(parent: number | undefined): (event: StepEvent) => void {
    const numbers = new Map<number, number>();
    return (event) => {
      if (event.kind === "step-started") {
        const step = this.#nextStep();
        numbers.set(event.step, step);
        const around = event.parent === undefined ? parent : numbers.get(event.parent);
        const { parent: _theirs, ...rest } = event;
        this.context.emit({ ...rest, step, ...(around !== undefined && { parent: around }) });
      } else if (event.kind === "command-ran") {
        const { step: theirs, ...rest } = event;
        const step = theirs === undefined ? parent : numbers.get(theirs);
        this.context.emit({ ...rest, ...(step !== undefined && { step }) });
      } else if ("step" in event) {
        this.context.emit({ ...event, step: numbers.get(event.step) ?? 0 });
      } else {
        this.context.emit(event);
      }
    };
  }

  #nextStep(): number {
    this.#steps += 1;
    return this.#steps;
  }
}

/** Counts what may have been changed in one application; each change counts for those around it, too. */
export class ChangeCounter {
  #changes = 0;

  constructor(private readonly around?: ChangeCounter) {}

  get any(): boolean {
    return this.#changes > 0;
  }

  add(): void {
    this.#changes += 1;
    this.around?.add();
  }
}
