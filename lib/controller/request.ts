import type { BoundPlan } from "../model/bound";
import type { Hop } from "../model/hop";
import type { Host } from "../model/host";
import type { PropApp } from "../model/property";

/** The plan of one host, to which a deployment can be bound. Plain data. */
export interface HostPlan extends BoundPlan {
  readonly host: string;
  /** When it was made, as ISO 8601. */
  readonly at: string;
  /** The digest of the host's prepared definition. */
  readonly definition: string;
  /** Only of a rehearsal: what was at each path that differed, as `keyedState` says it. */
  readonly rehearsed?: Readonly<Record<string, string>>;
}

/** The arguments of a deployment, kept so that it can be repeated. */
export interface DeployRequest {
  /**
   * "everything": the host's own properties, then the given ones. "posix prefix": the same, up to the first that needs an
   * agent. "only these": only the given ones; the host's own are prepared for their facts.
   */
  readonly scope: "everything" | "posix prefix" | "only these";
  /** True: a list of hosts was given, so the result is a `FleetReport`. */
  readonly fleet: boolean;
  readonly hosts: readonly (Pick<Host, "name"> | Host)[];
  /** Hops that replace the hosts' own; empty: each host uses its own. */
  readonly hops: readonly Hop[];
  /** True: nothing is done; the report says what would be. */
  readonly plan?: boolean;
  /** Only of a plan, true: the report says which paths each step looks at. */
  readonly paths?: boolean;
  /** Begun by `on`, which gives the outcome as a value: a failure is not to be repaired. `silent`: views do not show it. */
  readonly adHoc?: "shown" | "silent";
  /** True: everything is done in a clone of each host. */
  readonly rehearsal?: boolean;
  /** Only of a plan, true: a deployment that is bound to it is strict. */
  readonly strict?: boolean;
  /** By host: the plan that the deployment must do, and nothing else. */
  readonly bound?: ReadonlyMap<string, HostPlan>;
  /** Applied after the host's own properties. */
  readonly applications: readonly PropApp[];
}
