import { isAgentConnection } from "../agent/client/connection";
import { controllerArtifacts } from "./artifacts";
import { session } from "./session";

/**
 * Every agent that is connected has the newest sources of what it applied last, and a worker that has loaded them: the
 * next deployment waits for neither. A consfig that does not load changes nothing.
 */
export async function pushSources(): Promise<void> {
  if (session.consfig?.refresh().error) return;
  const links = session.connections
    .open()
    .flatMap(({ connection }) => (isAgentConnection(connection) ? [connection.agent] : []));
  await Promise.allSettled(links.map((link) => link.push(link.sources(controllerArtifacts, [], [], []))));
}
