import type { Connection } from "../../model/connection";
import type { AgentLink } from "./link";

/** A connection to an agent, which may still be on its way to the host. */
export interface AgentConnection extends Connection {
  /** The agent; undefined until it has arrived. */
  readonly agent: AgentLink | undefined;
  /** Waits for the agent: the rest of it is sent as fast as possible. Rejects with `ConnectionFailed` when it cannot arrive. */
  arrived(): Promise<AgentLink>;
  /** Resolves when the agent has arrived, without a hurry. */
  readonly arrival: Promise<AgentLink>;
  /** The connection before it, to the host with the agent's files. */
  readonly parent: Connection;
}

export const isAgentConnection = (connection: Connection): connection is AgentConnection =>
  "arrival" in connection;
