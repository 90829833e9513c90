import { text } from "node:stream/consumers";
import { AGENT_DIRECTORY } from "../agent/client/bootstrap";
import { isAgentConnection } from "../agent/client/connection";
import type { JournalLine } from "../agent/shared/journal-line";
import type { Connection } from "../model/connection";
import { FailedChange } from "../model/errors";
import type { Hop } from "../model/hop";
import { agentIndex } from "../model/hop-chain";
import { outcomeStatus } from "../model/job";
import { type Report, Reporter } from "../model/report";
import { withLease } from "./leases";
import { session } from "./session";

/** A past deployment from a host's journal, by any user. */
export interface JournalledDeployment {
  /** The user who started it, such as "ana@laptop". */
  readonly by: string;
  /** The start time: ISO 8601. */
  readonly at: string;
  /** False: it is still running, or was killed. */
  readonly over: boolean;
  readonly report: Report;
}

/** Precedes each journal in the output. */
const JOURNAL_DELIMITER = "\u001e";

/**
 * The last `count` deployments through the agent on `host`, newest first, by any user and session. Reads the agent's files
 * without starting it. Throws `ConnectionFailed`, or `FailedChange` when `chain` has no agent.
 */
export async function journals(
  host: string,
  chain: readonly Hop[],
  count: number,
): Promise<JournalledDeployment[]> {
  const at = agentIndex(chain);
  if (at < 0) throw new FailedChange(`${host} has no agent, so it has no log; add via.agent() to its hops`);
  const open = session.connections.open().find((each) => each.host === host)?.connection;
  return open && isAgentConnection(open)
    ? readJournals(open.parent, count)
    : withLease(host, chain.slice(0, at), (connection) => readJournals(connection, count));
}

async function readJournals(connection: Connection, count: number): Promise<JournalledDeployment[]> {
  const channel = await connection.exec(
    `cd ${AGENT_DIRECTORY}/journal 2>/dev/null || exit 0; ls -t | head -n ${count} | while read -r f; do printf '\\036'; cat "$f"; done`,
  );
  channel.stdin.end();
  channel.stderr.resume();
  const [printed] = await Promise.all([text(channel.stdout), channel.exit]);
  return printed.split(JOURNAL_DELIMITER).slice(1).flatMap(parseJournal);
}

function parseJournal(written: string): JournalledDeployment[] {
  const lines = written.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as JournalLine];
    } catch {
      return []; // the last line may be incomplete
    }
  });
  const started = lines.flatMap((line) => ("started" in line ? [line.started] : []))[0];
  if (!started) return [];
  const outcome = lines.flatMap((line) => ("outcome" in line ? [line.outcome] : []))[0];
  const reporter = new Reporter();
  let ms = 0;
  const top = new Set<number>();
  for (const line of lines) {
    if (!("event" in line)) continue;
    const { event } = line;
    reporter.add(event);
    if (event.kind === "step-started" && event.parent === undefined) top.add(event.step);
    if (event.kind === "step-ended" && top.has(event.step)) ms += event.ms;
  }
  const status = outcome === undefined ? "detached" : outcomeStatus(outcome);
  const { host, by, at } = started;
  return [
    { by, at, over: outcome !== undefined, report: reporter.finish(host, "", status, ms, outcome?.failure) },
  ];
}
