import type { Expected } from "../model/errors";
import type { RanCommand, StepEvent } from "../model/events";
import type { JobOutcome } from "../model/job";
import type { PosixTarget } from "../model/target";
import type { Change, Nested } from "../model/types";

/** What applying needs of the place where it happens. */
export interface Applying {
  /** A target whose output belongs to one step. `ran` is told of its commands, in verbose deployments. */
  target(
    output: (stream: "stdout" | "stderr", text: string) => void,
    ran: (command: RanCommand) => void,
  ): PosixTarget;
  emit(event: StepEvent): void;
  /** Why no further step may be started, once that is so. */
  stopped(): string | undefined;
  /** Tells of errors that nobody waited for, until what it returns is called. Left out: others see to them. */
  strays?(listener: (error: unknown) => void): () => void;
  /** Names of classes of errors for which somebody around looks out. */
  readonly expected?: readonly string[] | undefined;
  /** What properties want done at the end, last registered first. */
  readonly atEnd: AtEnd;
  /** Makes a deployment from here; its events are told as they come. Left out: nothing can be nested here. */
  nest?(nested: Nested, emit: (event: StepEvent) => void): Promise<JobOutcome>;
}

/** Work for the end of a deployment: each key once. */
export type AtEnd = Map<string, (target: PosixTarget, result: Change) => Promise<void>>;

/** What applying a tree came to. */
export interface Outcome {
  readonly change: Change;
  /** True when a step failed, whether or not others went on. */
  readonly failed: boolean;
  /** True when a step was ended, or not started, because that was asked for. */
  readonly cancelled: boolean;
  /** How the tree as a whole ended, when a failure in it was not passed over; a step has shown it. */
  readonly broken?: "failed" | "aborted";
  /** What ended it, when somebody around looks out for that. */
  readonly expected?: Expected;
}
