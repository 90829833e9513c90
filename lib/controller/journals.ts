import { isAgentConnection } from "../agent/client/connection";
import { AGENT_DIRECTORY } from "../agent/client/running";
import type { JournalLine } from "../agent/shared/journal-line";
import { workerAnswerShapes } from "../agent/shared/messages";
import { shapeMismatch } from "../agent/shared/shapes";
import type { Connection } from "../model/connection";
import { FailedChange } from "../model/errors";
import type { Hop } from "../model/hop";
import { agentIndex } from "../model/hop-chain";
import { cleanName, cleanOutcome, HostEvents, ProtocolViolation } from "../model/host-events";
import { type JobOutcome, outcomeStatus } from "../model/job";
import { type Report, Reporter } from "../model/report";
import { readText } from "../util/read-text";
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
  /** True: it only asks. */
  readonly plan: boolean;
  readonly report: Report;
}

/** Precedes each journal in the output. */
const JOURNAL_DELIMITER = "\u001e";
/** Bytes of all journals that are read, and characters of one line. */
const MAX_JOURNALS = 256 * 1024 * 1024;
const MAX_LINE = 16 * 1024 * 1024;

/**
 * The last `count` deployments through the agent on `host`, newest first, by any user and session. Reads the agent's files
 * without starting it. Throws `ConnectionFailed`, or `FailedChange` when `chain` has no agent.
 */
export async function journals(
  host: string,
  chain: readonly Hop[],
  count: number,
): Promise<JournalledDeployment[]> {
  if (agentIndex(chain) < 0)
    throw new FailedChange(`${host} has no agent, so it has no log; add via.agent() to its hops`);
  return recordedDeployments(host, chain, count);
}

/** As `journals`; without an agent in `chain`, those that an agent of the same user has left, if any. */
export async function recordedDeployments(
  host: string,
  chain: readonly Hop[],
  count: number,
): Promise<JournalledDeployment[]> {
  const at = agentIndex(chain);
  const open = session.connections.open().find((each) => each.host === host)?.connection;
  return open && isAgentConnection(open)
    ? readJournals(open.parent, host, count)
    : withLease(host, at < 0 ? chain : chain.slice(0, at), (connection) =>
        readJournals(connection, host, count),
      );
}

async function readJournals(
  connection: Connection,
  host: string,
  count: number,
): Promise<JournalledDeployment[]> {
  const channel = await connection.exec(
    `cd ${AGENT_DIRECTORY}/journal 2>/dev/null || exit 0; ls -t | head -n ${count} | while read -r f; do printf '\\036'; cat "$f"; done`,
  );
  channel.stdin.end();
  channel.stderr.resume();
  const read = readText(channel.stdout, MAX_JOURNALS).catch((error: Error) => {
    channel.kill("SIGKILL");
    throw new FailedChange(`cannot read the log: ${error.message}`, { cause: error });
  });
  const [printed] = await Promise.all([read, channel.exit]);
  return printed
    .split(JOURNAL_DELIMITER)
    .slice(1)
    .flatMap((each) => parseJournal(each, host));
}

/** The journal is a file of the host, so it is read as what an agent sends. `host`: where it was read. */
export function parseJournal(written: string, host: string): JournalledDeployment[] {
  let started: Extract<JournalLine, { started: unknown }>["started"] | undefined;
  let outcome: JobOutcome | undefined;
  const door = new HostEvents(host);
  const reporter = new Reporter();
  let ms = 0;
  const top = new Set<number>();
  try {
    for (const line of linesOf(written)) {
      if ("started" in line) started ??= line.started;
      if ("outcome" in line) outcome ??= admittedOutcome(line.outcome);
      for (const event of "event" in line ? door.admit(line.event) : []) {
        reporter.add(event);
        if (event.kind === "step-started" && event.parent === undefined) top.add(event.step);
        if (event.kind === "step-ended" && top.has(event.step)) ms += event.ms;
      }
    }
  } catch (error) {
    if (error instanceof ProtocolViolation)
      throw new FailedChange(`cannot read the log of ${host}: it contains ${error.message}`);
    throw error;
  }
  if (!started) return [];
  const status = outcome === undefined ? "detached" : outcomeStatus(outcome);
  const report = reporter.finish(host, "", status, ms, outcome?.failure);
  const { by, at, plan } = started;
  const over = outcome !== undefined;
  return [{ by: cleanName(`${by}`), at: cleanName(`${at}`), over, plan: plan === true, report }];
}

function* linesOf(written: string): Generator<JournalLine> {
  for (let at = 0; at < written.length; ) {
    const end = written.indexOf("\n", at) < 0 ? written.length : written.indexOf("\n", at);
    const line = end - at > MAX_LINE ? undefined : parsed(written.slice(at, end));
    if (typeof line === "object" && line !== null) yield line as JournalLine;
    at = end + 1;
  }
}

/** Undefined for the last line, which may be incomplete. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function admittedOutcome(outcome: unknown): JobOutcome {
  const mismatch = shapeMismatch({ type: "outcome", deployment: "0", outcome }, workerAnswerShapes);
  if (mismatch !== undefined) throw new ProtocolViolation(mismatch);
  return cleanOutcome(outcome as JobOutcome);
}
