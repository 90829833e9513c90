import type { Failure } from "./errors";
import type { DeployEvent, StepStatus } from "./events";

/** What became of one step. */
export interface StepReport {
  readonly step: number;
  readonly parent: number | undefined;
  readonly property: string;
  readonly desc: string;
  readonly site: string;
  readonly status: StepStatus | "unfinished";
  readonly ms: number;
  readonly reason: string | undefined;
  readonly failure: Failure | undefined;
  /** What the step printed, both streams as they came. */
  readonly output: string;
}

/** What a deployment of one host came to. */
export interface Report {
  readonly host: string;
  readonly deployment: string;
  /** True when nothing failed: every property of the host now holds. */
  readonly ok: boolean;
  readonly status: Extract<DeployEvent, { kind: "deployment-ended" }>["status"];
  readonly steps: readonly StepReport[];
  /** The steps that changed something, failed, or were skipped; without the steps that only contain such ones. */
  readonly changed: readonly StepReport[];
  readonly failed: readonly StepReport[];
  readonly skipped: readonly StepReport[];
  /** Why the whole deployment could not go on: unreachable, refused, cancelled. */
  readonly failure: Failure | undefined;
  readonly ms: number;
}
