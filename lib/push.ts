import type { Sources } from "./agent/client/trees";
import { isAgentConnection } from "./agent/hop";
import { ConsfigError } from "./errors";
import { session } from "./session";

/** What an agent must have to apply `properties`. Throws `ConsfigError` when there is no consfig to take it from. */
export function sourcesFor(properties: ReadonlySet<string>): Sources {
  const { consfig } = session;
  if (!consfig) {
    throw new ConsfigError(
      "there is no consfig to send to the agent; open one with openConsfig, or leave out via.agent()",
    );
  }
  return { manifest: consfig.manifest(properties), blob: (hash) => consfig.blob(hash) };
}

/**
 * Every agent that is connected has the newest sources of what it applied last, and a worker that has loaded them: the
 * next deployment waits for neither. A consfig that does not load changes nothing.
 */
export async function pushSources(): Promise<void> {
  if (session.consfig?.refresh().error) return;
  const links = session.connections
    .open()
    .flatMap(({ connection }) => (isAgentConnection(connection) ? [connection.agent] : []));
  await Promise.allSettled(links.map((link) => link.push(sourcesFor(link.using([])))));
}
