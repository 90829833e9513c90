import type { Connection } from "../../model/connection";
import { ConnectionFailed, ConsfigError } from "../../model/errors";
import { defhop } from "../../model/hop";
import { object } from "../../model/schema";
import { startRelay } from "./bootstrap";
import type { AgentConnection } from "./connection";
import { AgentLink } from "./link";

/**
 * Runs the deployment in an agent process on the host: it continues when the connection is lost. The first connection
 * installs everything the agent needs; the host only needs a POSIX shell.
 */
export const agent = defhop({
  name: "agent",
  args: object({}),
  agent: true,
  open: async (_args, { parent, artifacts, progress, signal }) => {
    try {
      signal.throwIfAborted();
      const link = await AgentLink.open(await startRelay(parent, artifacts, progress));
      return agentConnection(parent, link);
    } catch (error) {
      if (error instanceof ConnectionFailed || !(error instanceof ConsfigError)) throw error;
      throw new ConnectionFailed("via.agent()", error.message, { cause: error });
    }
  },
});

const agentConnection = (parent: Connection, link: AgentLink): AgentConnection => ({
  description: `${parent.description}, via.agent()`,
  agent: link,
  parent,
  get alive() {
    return link.alive && parent.alive;
  },
  closed: link.closed,
  ...(parent.local && { local: true }),
  exec: (command) => parent.exec(command),
  close: async () => link.close(),
});
