import type { BoundPlan, Deviation } from "./bound";
import type { CarriedValues } from "./carried";

import type { Expected } from "./errors";
import type { StepEvent } from "./events";
import type { PlannedAct } from "./planned-acts";
import type { Failure, Hop, HostState, PropApp } from "./types";

/** The work of one worker. */
export interface Job {
  readonly deployment: string;
  readonly host: HostState;
  readonly application: PropApp;
  /** The hops after the agent, which the worker opens. */
  readonly hops: readonly Hop[];
  /** The user who started the deployment, such as "ana@laptop"; of one that repeats itself, see `byImage`. */
  readonly by: string;
  /** True: every command is reported. */
  readonly verbose?: boolean;
  /** True: a user can be asked. */
  readonly attended?: boolean;
  /** Set: nothing is done, each step is planned. */
  readonly plan?: PlanOrigin;
  /** Set: a step that would not do what this plan says stops before it acts. */
  readonly bound?: BoundPlan;
  /** What holds for the part of the deployment around it in which this one is nested. */
  readonly values?: CarriedValues;
  /** The hosts that deployments around it hold; absent when there is none. */
  readonly held?: readonly string[];
  /** Names of the error classes that a combinator around the job expects: they do not count as failures. */
  readonly expected?: readonly string[];
  /** Set: it has begun over a shell, and goes on from there. */
  readonly resumed?: Resumption;
}

/** How far a deployment is that has begun over a shell. */
export interface Resumption {
  /** The number of the last step. */
  readonly steps: number;
  /** What has begun and not ended: the root of the tree, the application inside that, and so on. Each is a sequence. */
  readonly path: readonly InProgress[];
  /** True: a step has failed. */
  readonly failed: boolean;
  /** What has registered work for the end, and does so again. */
  readonly again: readonly PropApp[];
  /** What was reported. */
  readonly events: readonly StepEvent[];
}

/** A sequence that has begun and not ended. */
export interface InProgress {
  /** The index of the application that is next. */
  readonly index: number;
  /** Its number, if it is a step. */
  readonly step?: number;
  /** True: something inside it was changed. */
  readonly changed: boolean;
  /** Milliseconds that it has taken so far. */
  readonly ms: number;
}

const IMAGE = "image ";
/** The `by` of a deployment that repeats itself from the image with this name. */
export const byImage = (name: string): string => `${IMAGE}${name}`;
export const isByImage = (by: string): boolean => by.startsWith(IMAGE);

/** Where a plan starts. */
export interface PlanOrigin {
  /** The steps outside on which it depends whether this is done at all, by `seenFromInside`. */
  readonly after: readonly number[];
  /** Only of a nested plan: what the steps before it would do, as it is seen here. */
  readonly before?: readonly PlannedAct[];
  /** The boot ID of the machine around, where nobody knows whether this is the same one. `before` is about that machine. */
  readonly boot?: string;
  /** The key of a plan that a deployment can be bound to. */
  readonly key?: string;
  /** True: the paths that each step looks at are told. */
  readonly paths?: boolean;
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
  /** Only of a nested plan: what its steps would do, by their numbers there. Absent: anything. */
  readonly acts?: readonly PlannedAct[];
  /** Only of a bound deployment that stopped: what was not as planned. */
  readonly deviated?: Deviation;
  /** The boot ID of the host before the reboot that has begun. */
  readonly rebootsFrom?: string;
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
