import type { Connection } from "../../model/connection";

/** The agent's directory on a host, as shell text. */
export const AGENT_DIRECTORY = '"${XDG_CACHE_HOME:-${HOME:-$(echo ~)}/.cache}/consfigurator/agent"';

/** The socket of the supervisor, below the agent's directory: see lib/agent/host/directory.ts. */
const SOCKET = "run/supervisor";

/** As shell text, what exists while a worker applies the rest of `deployment`: see `holdsFor` in lib/agent/host/directory.ts. */
export const successorOf = (deployment: string): string => `${AGENT_DIRECTORY}/run/holds-${deployment}`;

/** Whether the agent of the connected user runs on the host already, so that using it starts and leaves nothing. */
export async function isAgentRunning(connection: Connection): Promise<boolean> {
  const channel = await connection.exec(`d=${AGENT_DIRECTORY}; [ -x "$d/node" ] && [ -S "$d/${SOCKET}" ]`);
  channel.stdin.end();
  for (const stream of [channel.stdout, channel.stderr]) stream.resume();
  return (await channel.exit) === 0;
}
