import type { BoundPlan } from "./bound";
import type { Expected } from "./errors";
import type { Failure, Hop, HostState, PropApp } from "./types";

/** The work of one worker. */
export interface Job {
  readonly deployment: string;
  readonly host: HostState;
  readonly application: PropApp;
  /** The hops after the agent, which the worker opens. */
  readonly hops: readonly Hop[];
  /** The user who started the deployment, such as "ana@laptop". */
  readonly by: string;
  /** True: every command is reported. */
  readonly verbose?: boolean;
  /** Set: nothing is done, each step is planned. */
  readonly plan?: PlanOrigin;
  /** Set: a step that would not do what this plan says stops before it acts. */
  readonly bound?: BoundPlan;
  /** The hosts that deployments around it hold; absent when there is none. */
  readonly held?: readonly string[];
  /** Names of the error classes that a combinator around the job expects: they do not count as failures. */
  readonly expected?: readonly string[];
}

/** Where a plan starts. */
export interface PlanOrigin {
  /** The steps before it that would change something, by their number outside the job. */
  readonly after: readonly number[];
  /** The key of a plan that a deployment can be bound to. */
  readonly key?: string;
}

/** The outcome of a job. */
export interface JobOutcome {
  readonly change: "changed" | "unchanged";
  readonly failed: boolean;
  readonly cancelled: boolean;
  /** Only of a plan, true: whether anything would change is not certain. */
  readonly uncertain?: boolean;
  /** Only of a plan: what tells one boot of one installation of the host from another. */
  readonly boot?: string;
  /** Why a bound deployment stopped: a step was not as planned. */
  readonly deviated?: string;
  /** The reason why the job could not be completed; absent when it was. */
  readonly failure?: Failure;
  /** How the tree as a whole ended, when a failure in it stopped it. */
  readonly broken?: "failed" | "aborted";
  /** The error that ended the job, when it is one of `Job.expected`. */
  readonly expected?: Expected;
}

/** "stop": no further step starts. "cancel": the running step is ended too. */
export type JobSignal = "stop" | "cancel";

/** The reason of a cancelled deployment. */
export const CANCELLED = "the deployment was cancelled";

/** The reason with which steps are skipped after a signal. */
export const stoppedBy = (signal: JobSignal): string =>
  signal === "cancel" ? CANCELLED : "the deployment was stopped";

/** The status of a deployment with this outcome. */
export const outcomeStatus = ({
  change,
  failed,
  cancelled,
  failure,
}: JobOutcome): "changed" | "unchanged" | "failed" | "cancelled" =>
  cancelled ? "cancelled" : failed || failure ? "failed" : change;
