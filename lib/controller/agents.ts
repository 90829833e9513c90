import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { type AgentConnection, isAgentConnection } from "../agent/client/connection";
import { AGENT_DIRECTORY } from "../agent/client/running";
import type { AgentStatus } from "../agent/shared/messages";
import { ConsfigError, FailedChange } from "../model/errors";
import { type Hop, hopAsCode } from "../model/hop";
import { tryOrUndefined } from "../util/attempt";
import { withLease } from "./leases";
import { session } from "./session";

/** An agent that this controller started, in this session or an earlier one. */
export interface AgentInfo {
  readonly host: string;
  /** The hops to it, as code. */
  readonly hops: readonly string[];
  /** Undefined when the controller is not connected to it. */
  readonly status: AgentStatus | undefined;
}

interface KnownAgent {
  readonly host: string;
  readonly hops: readonly Hop[];
}

/** Every known agent, with the status of those that are connected. Opens no connection. */
export async function agents(): Promise<AgentInfo[]> {
  const open = session.connections.open().filter(({ connection }) => isAgentConnection(connection));
  const live = await Promise.all(
    open.map(async ({ host, hops, connection }) => ({
      host,
      hops: hops.map(hopAsCode),
      status: isAgentConnection(connection)
        ? await connection.agent?.status().catch(() => undefined)
        : undefined,
    })),
  );
  const known = new Set(live.map(({ host }) => host));
  const others = savedAgents().filter(({ host }) => !known.has(host));
  return [
    ...live,
    ...others.map(({ host, hops }) => ({ host, hops: hops.map(hopAsCode), status: undefined })),
  ].sort((a, b) => (a.host < b.host ? -1 : 1));
}

/** What happened to the deployment that ran when an agent was stopped. */
export interface StoppedAgent {
  /** The deployment; undefined when none ran. */
  readonly deployment?: string;
  /** Who had started it, such as "ana@laptop". */
  readonly by?: string;
  /** How it was ended; undefined when it still runs, and the agent exits after it. */
  readonly ended?: string;
}

/**
 * Stops the agent on `host` after the work it is doing; with `force`, ends that work first, whoever started it, within 5 s.
 * The agent is started again when needed.
 */
export async function stopAgent(
  host: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<StoppedAgent> {
  let stopped: StoppedAgent = {};
  await withAgent(host, async (connection) => {
    const { holder, how } = await (await connection.arrived()).shutdown(force);
    if (!holder) return;
    const { deployment, by } = holder;
    stopped = { deployment, by, ...(how !== undefined && { ended: how }) };
  });
  return stopped;
}

/**
 * Stops the agent on `host` and removes its files: runtime, sources, journals. Throws `FailedChange` while a deployment
 * runs there.
 */
export async function removeAgent(host: string): Promise<void> {
  await withAgent(host, async (connection) => {
    const { parent } = connection;
    const agent = await connection.arrived();
    const { pid, running } = await agent.status();
    const [held] = running;
    if (held) {
      throw new FailedChange(
        `deployment ${held.deployment} by ${held.by} is running on ${host}; remove the agent when it has finished`,
      );
    }
    await agent.shutdown();
    const channel = await parent.exec(
      `d=${AGENT_DIRECTORY}; n=0; while kill -0 ${pid} 2>/dev/null && [ $n -lt 50 ]; do n=$((n + 1)); sleep 0.1; done
rm -rf "$d" && rmdir "\${d%/agent}" "\${d%/consfigurator/agent}" 2>/dev/null; [ ! -e "$d" ]`,
    );
    channel.stdin.end();
    channel.stdout.resume();
    const [complaint, exit] = await Promise.all([text(channel.stderr), channel.exit]);
    if (exit !== 0)
      throw new FailedChange(`could not remove all files of the agent on ${host}: ${complaint.trim()}`);
  });
  tryOrUndefined(() => updateSavedAgents((known) => known.filter((each) => each.host !== host)));
}

/** Removes the agent on `host` from the list, for a host that no longer exists. Opens no connection. */
export async function forgetAgent(host: string): Promise<void> {
  if (session.connections.open().some((each) => each.host === host))
    throw new ConsfigError(`${host} is still connected; stop or remove its agent instead`);
  if (!savedAgents().some((each) => each.host === host)) throw await unknownAgent(host);
  updateSavedAgents((known) => known.filter((each) => each.host !== host));
}

/**
 * Saves that `host` has an agent, for later sessions. Where that fails, as on a full or read-only disk, the agent is
 * known to this session only: it is found again with the next deployment.
 */
export function rememberAgent(host: string, hops: readonly Hop[]): void {
  const entry: KnownAgent = { host, hops: JSON.parse(JSON.stringify(hops)) as Hop[] };
  const same = (each: KnownAgent) => each.host === host;
  if (JSON.stringify(savedAgents().find(same)?.hops) === JSON.stringify(entry.hops)) return;
  tryOrUndefined(() => updateSavedAgents((known) => [...known.filter((each) => !same(each)), entry]));
}

async function withAgent(host: string, act: (connection: AgentConnection) => Promise<void>): Promise<void> {
  const hops =
    session.connections.open().find((each) => each.host === host)?.hops ??
    savedAgents().find((each) => each.host === host)?.hops;
  if (!hops) throw await unknownAgent(host);
  await withLease(host, hops, async (connection) => {
    if (isAgentConnection(connection)) await act(connection);
  });
}

async function unknownAgent(host: string): Promise<ConsfigError> {
  const known = (await agents()).map((each) => each.host);
  return new ConsfigError(
    `no agent is known on "${host}"; ${known.length > 0 ? `there are agents on ${known.join(", ")}` : "no agents are known"}`,
  );
}

const stateFile = (): string =>
  path.join(
    process.env["XDG_STATE_HOME"] || path.join(homedir(), ".local", "state"),
    "consfigurator",
    "agents.json",
  );

function savedAgents(): KnownAgent[] {
  try {
    return JSON.parse(readFileSync(stateFile(), "utf8")) as KnownAgent[];
  } catch {
    return [];
  }
}

function updateSavedAgents(change: (known: KnownAgent[]) => KnownAgent[]): void {
  const file = stateFile();
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}`;
  try {
    writeFileSync(temporary, JSON.stringify(change(savedAgents())), { mode: 0o600 });
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}
