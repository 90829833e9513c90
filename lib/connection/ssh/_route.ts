import type { Connection } from "../../model/connection";
import type { Destination } from "./_config";
import type { SshEndpoint } from "./_ways";

/** One ssh connection to make through the system's `ssh`. */
export interface Route {
  /** Where `ssh` is run. */
  readonly parent: Connection;
  readonly destination: Destination;
  /** What is known of the destination; undefined when `ssh` runs elsewhere, with the configuration of that place. */
  readonly way?: SshEndpoint | undefined;
}
