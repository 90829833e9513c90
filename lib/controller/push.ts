import { isAgentConnection } from "../agent/client/connection";
import { controllerArtifacts } from "./artifacts";
import { session } from "./session";

/**
 * Sends every connected agent the current sources of the properties it applied last, which a worker loads: the next
 * deployment waits for neither. Does nothing when the consfig fails to load.
 */
export async function pushSources(): Promise<void> {
  if (session.consfig?.refresh().error) return;
  const links = session.connections
    .open()
    .flatMap(({ connection }) =>
      isAgentConnection(connection) && connection.agent ? [connection.agent] : [],
    );
  await Promise.allSettled(links.map((link) => link.push(link.sources(controllerArtifacts, [], [], []))));
}
