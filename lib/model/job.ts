import type { Expected } from "./errors";
import type { Failure, Hop, HostState, PropApp } from "./types";

/** What a worker applies. */
export interface Job {
  readonly deployment: string;
  readonly host: HostState;
  readonly application: PropApp;
  /** What stands behind the agent, still to be opened from there. */
  readonly hops: readonly Hop[];
  /** Who asked, such as "ana@laptop". */
  readonly by: string;
  /** True: every command is told. */
  readonly verbose?: boolean;
  /** Errors that are no failure in it, by the names of their classes. */
  readonly expected?: readonly string[];
}

/** What a deployment came to on the host. */
export interface JobOutcome {
  readonly change: "changed" | "unchanged";
  readonly failed: boolean;
  readonly cancelled: boolean;
  /** Why it could not be carried through, when it could not. */
  readonly failure?: Failure;
  /** How the tree as a whole ended, when a failure in it was not passed over. */
  readonly broken?: "failed" | "aborted";
  /** What ended it, when whoever asked looks out for that. */
  readonly expected?: Expected;
}

/** "stop": no further step is started. "cancel": the running one is ended too. */
export type JobSignal = "stop" | "cancel";

/** Why the steps that a signal keeps from being started are skipped. */
export const stoppedBy = (signal: JobSignal): string =>
  signal === "cancel" ? "the deployment was cancelled" : "the deployment was stopped";

/** How a deployment with `outcome` ended, in one word. */
export const outcomeStatus = ({
  change,
  failed,
  cancelled,
  failure,
}: JobOutcome): "changed" | "unchanged" | "failed" | "cancelled" =>
  cancelled ? "cancelled" : failed || failure ? "failed" : change;
