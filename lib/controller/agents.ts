import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { AGENT_DIRECTORY } from "../agent/client/bootstrap";
import { type AgentConnection, isAgentConnection } from "../agent/client/connection";
import type { AgentStatus } from "../agent/shared/messages";
import { ConsfigError, FailedChange } from "../model/errors";
import { type Hop, hopAsCode } from "../model/hop";
import { withLease } from "./leases";
import { session } from "./session";

/** An agent that this controller has started, in this session or an earlier one. */
export interface AgentInfo {
  readonly host: string;
  /** How it was reached, as code. */
  readonly hops: readonly string[];
  /** Undefined: there is no connection to it now. */
  readonly status: AgentStatus | undefined;
}

interface Known {
  readonly host: string;
  readonly hops: readonly Hop[];
}

/** Every agent known, those that are connected with what they say of themselves. Nobody is connected to for it. */
export async function agents(): Promise<AgentInfo[]> {
  const open = session.connections.open().filter(({ connection }) => isAgentConnection(connection));
  const live = await Promise.all(
    open.map(async ({ host, hops, connection }) => ({
      host,
      hops: hops.map(hopAsCode),
      status: isAgentConnection(connection)
        ? await connection.agent.status().catch(() => undefined)
        : undefined,
    })),
  );
  const known = new Set(live.map(({ host }) => host));
  const others = remembered().filter(({ host }) => !known.has(host));
  return [
    ...live,
    ...others.map(({ host, hops }) => ({ host, hops: hops.map(hopAsCode), status: undefined })),
  ].sort((a, b) => (a.host < b.host ? -1 : 1));
}

/** The agent on `host` ends, after what it is doing. It starts again when it is needed. */
export async function stopAgent(host: string): Promise<void> {
  await withAgent(host, async (connection) => connection.agent.shutdown());
}

/**
 * The agent on `host` ends, and nothing of it is left there: runtime, sources, journals. Throws `FailedChange` while a
 * deployment runs there.
 */
export async function removeAgent(host: string): Promise<void> {
  await withAgent(host, async (connection) => {
    const { parent, agent } = connection;
    const { pid, running } = await agent.status();
    const [held] = running;
    if (held) {
      throw new FailedChange(
        `deployment ${held.deployment} by ${held.by} runs on ${host}; remove the agent when it is over`,
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
      throw new FailedChange(`the agent's files on ${host} could not all be removed: ${complaint.trim()}`);
  });
  remember((known) => known.filter((each) => each.host !== host));
}

/** The agent on `host` is not listed any more, for a host that is gone. Nobody is connected to. */
export async function forgetAgent(host: string): Promise<void> {
  if (session.connections.open().some((each) => each.host === host))
    throw new ConsfigError(`there is a connection to ${host}; stop or remove its agent instead`);
  if (!remembered().some((each) => each.host === host)) throw await unknownAgent(host);
  remember((known) => known.filter((each) => each.host !== host));
}

/** Notes that `host` has an agent, so that a later session knows of it. */
export function rememberAgent(host: string, hops: readonly Hop[]): void {
  const entry: Known = { host, hops: JSON.parse(JSON.stringify(hops)) as Hop[] };
  const same = (each: Known) => each.host === host;
  if (JSON.stringify(remembered().find(same)?.hops) === JSON.stringify(entry.hops)) return;
  remember((known) => [...known.filter((each) => !same(each)), entry]);
}

async function withAgent(host: string, act: (connection: AgentConnection) => Promise<void>): Promise<void> {
  const hops =
    session.connections.open().find((each) => each.host === host)?.hops ??
    remembered().find((each) => each.host === host)?.hops;
  if (!hops) throw await unknownAgent(host);
  await withLease(host, hops, async (connection) => {
    if (isAgentConnection(connection)) await act(connection);
  });
}

async function unknownAgent(host: string): Promise<ConsfigError> {
  const known = (await agents()).map((each) => each.host);
  return new ConsfigError(
    `no agent is known on "${host}"; ${known.length > 0 ? `there are agents on ${known.join(", ")}` : "no agent is known at all"}`,
  );
}

const stateFile = (): string =>
  path.join(
    process.env["XDG_STATE_HOME"] || path.join(homedir(), ".local", "state"),
    "consfigurator",
    "agents.json",
  );

function remembered(): Known[] {
  try {
    return JSON.parse(readFileSync(stateFile(), "utf8")) as Known[];
  } catch {
    return [];
  }
}

function remember(change: (known: Known[]) => Known[]): void {
  const file = stateFile();
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(change(remembered())), { mode: 0o600 });
  renameSync(temporary, file);
}
