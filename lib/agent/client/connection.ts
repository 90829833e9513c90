import type { Connection } from "../../model/connection";
import type { AgentLink } from "./link";

/** A connection whose far end is an agent of ours. */
export interface AgentConnection extends Connection {
  readonly agent: AgentLink;
  /** The hop before it, where the agent's files are. */
  readonly parent: Connection;
}

export const isAgentConnection = (connection: Connection): connection is AgentConnection =>
  "agent" in connection;
