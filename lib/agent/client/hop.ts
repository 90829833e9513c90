import type { Connection } from "../../model/connection";
import { ConnectionFailed, ConsfigError } from "../../model/errors";
import { defhop } from "../../model/hop";
import { object } from "../../model/schema";
import { startRelay } from "./bootstrap";
import type { AgentConnection } from "./connection";
import { AgentLink } from "./link";

/**
 * Our own process on the host: it takes over the work, and keeps on with it when the link is lost. What it needs is put
 * there the first time: the host needs a POSIX shell, nothing else.
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
