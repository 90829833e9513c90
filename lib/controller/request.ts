import type { Hop } from "../model/hop";
import type { Host } from "../model/host";
import type { PropApp } from "../model/property";

/** What was asked for, so that it can be asked for again. */
export interface DeployRequest {
  /**
   * What is applied to each host: its own properties and those given, all or as far as a shell leads; or only those given,
   * while the host's own are asked for facts.
   */
  readonly scope: "everything" | "posix prefix" | "only these";
  /** True: asked for with a list of hosts, so that the result is a report of several. */
  readonly fleet: boolean;
  readonly hosts: readonly (Pick<Host, "name"> | Host)[];
  /** Given in place of the hosts' own; none: each host has its own. */
  readonly hops: readonly Hop[];
  /** Applied after the host's own properties. */
  readonly applications: readonly PropApp[];
}
