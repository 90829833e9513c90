import type { JobOutcome } from "./agent/messages";
import type { StepEvent } from "./events";
import type { PosixTarget } from "./target";
import type { Change, Nested } from "./words";

/** What applying needs of the place where it happens. */
export interface Applying {
  /** A target whose output belongs to one step. */
  target(output: (stream: "stdout" | "stderr", text: string) => void): PosixTarget;
  emit(event: StepEvent): void;
  /** Why no further step may be started, once that is so. */
  stopped(): string | undefined;
  /** What properties want done at the end, last registered first. */
  readonly atEnd: AtEnd;
  /** Makes a deployment from here; its events are told as they come. Left out: nothing can be nested here. */
  nest?(nested: Nested, emit: (event: StepEvent) => void): Promise<JobOutcome>;
}

/** Work for the end of a deployment: each key once. */
export type AtEnd = Map<string, (target: PosixTarget, result: Change) => Promise<void>>;
