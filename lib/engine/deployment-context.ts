import type { PreparedHolder } from "../connection/host-lock";
import type { AgentArtifacts } from "../model/agent-artifacts";
import type { BoundPlan } from "../model/bound";
import type { Cancellation } from "../model/cancellation";
import type { CarriedValues } from "../model/carried";
import type { Connection } from "../model/connection";
import type { StepEvent } from "../model/events";
import type { Asker } from "../model/hop";
import type { PlanOrigin, Resumption } from "../model/job";
import type { DataLookup } from "../model/questions";
import type { TakeOver } from "./take-over";

/** The context in which a deployment starts. */
export interface Origin {
  /** A shell in that context. */
  readonly connection: Connection;
  /** True: this process runs in that context itself. */
  readonly ownProcess: boolean;
}

/** Shared by all parts of one deployment in this process. */
export interface DeploymentContext {
  readonly deployment: string;
  readonly by: string;
  /** True: every command and every opened hop is reported. */
  readonly verbose: boolean;
  readonly artifacts: AgentArtifacts;
  readonly ask: Asker | undefined;
  /** Where prerequisite data comes from. */
  readonly data: DataLookup;
  readonly cancellation: Cancellation;
  /** Set: nothing is done, each step is planned. */
  readonly plan: PlanOrigin | undefined;
  /** Set: a step that would not do what this plan says stops before it acts. */
  readonly bound: BoundPlan | undefined;
  /** What holds for the part of the deployment around it in which this one is nested. */
  readonly values?: CarriedValues;
  /** The hosts that deployments around this one hold: their locks are its own. */
  readonly held: readonly string[];
  /** Ready to hold the host of this process. */
  readonly holder?: PreparedHolder;
  /** The agent that is to take over; not in nested deployments. */
  readonly takeOver?: TakeOver | undefined;
  /** How far it has come over a shell; not in nested deployments. */
  readonly resumed?: Resumption | undefined;
  /** Sends what was reported so far: what comes next may keep this process busy without a pause. */
  flush?(): void;
}

export type Emit = (event: StepEvent) => void;
