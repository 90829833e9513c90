import type { Connection } from "../../model/connection";
import type { AgentLink } from "./link";

/** A connection to an agent. */
export interface AgentConnection extends Connection {
  readonly agent: AgentLink;
  /** The connection before it, to the host with the agent's files. */
  readonly parent: Connection;
}

export const isAgentConnection = (connection: Connection): connection is AgentConnection =>
  "agent" in connection;
