import type { PreparedHolder } from "../connection/host-lock";
import type { AgentArtifacts } from "../model/agent-artifacts";
import type { BoundPlan } from "../model/bound";
import type { Cancellation } from "../model/cancellation";
import type { Connection } from "../model/connection";
import type { StepEvent } from "../model/events";
import type { Asker } from "../model/hop";
import type { PlanOrigin } from "../model/job";

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
  readonly cancellation: Cancellation;
  /** Set: nothing is done, each step is planned. */
  readonly plan: PlanOrigin | undefined;
  /** Set: a step that would not do what this plan says stops before it acts. */
  readonly bound: BoundPlan | undefined;
  /** The hosts that deployments around this one hold: their locks are its own. */
  readonly held: readonly string[];
  /** Ready to hold the host of this process. */
  readonly holder?: PreparedHolder;
}

export type Emit = (event: StepEvent) => void;
