import { text } from "node:stream/consumers";
import { AGENT_DIRECTORY } from "../agent/client/bootstrap";
import { isAgentConnection } from "../agent/client/connection";
import type { JournalLine } from "../agent/host/journal";
import { FailedChange } from "../model/errors";
import { type Hop, hops as hopDefinitions } from "../model/hop";
import { HostModel } from "../model/host-facts";
import { type Report, Reporter } from "../model/report";
import { controllerKit } from "./artifacts";
import { session } from "./session";

/** A deployment that was made on a host, by whomever, as the host remembers it. */
export interface Journalled {
  /** Who made it, such as "ana@laptop". */
  readonly by: string;
  /** When it began: ISO 8601. */
  readonly at: string;
  /** False: it has not ended, or it was killed. */
  readonly over: boolean;
  readonly report: Report;
}

/** What stands before each journal. */
const MARK = "\u001e";

/**
 * The last `count` deployments through the agent on `host`, newest first, also those of others and of earlier sessions.
 * Nothing is started there: the agent's files are read. Throws `ConnectionFailed`, or `FailedChange` when `chain` has no agent.
 */
export async function journals(host: string, chain: readonly Hop[], count: number): Promise<Journalled[]> {
  const at = chain.findIndex(({ hop }) => hopDefinitions.get(hop)?.agent);
  if (at < 0) throw new FailedChange(`${host} has no agent, which would remember what was deployed there`);
  const open = session.connections.open().find((each) => each.host === host)?.connection;
  const lease =
    open && isAgentConnection(open)
      ? { connection: open.parent, release: () => {} }
      : await session.connections.lease(chain.slice(0, at), {
          host: HostModel.named(host),
          ask: session.ask,
          signal: new AbortController().signal,
          kit: controllerKit,
          progress: () => {},
        });
  try {
    const channel = await lease.connection.exec(
      `cd ${AGENT_DIRECTORY}/journal 2>/dev/null || exit 0; ls -t | head -n ${count} | while read -r f; do printf '\\036'; cat "$f"; done`,
    );
    channel.stdin.end();
    channel.stderr.resume();
    const [said] = await Promise.all([text(channel.stdout), channel.exit]);
    return said.split(MARK).slice(1).flatMap(readJournal);
  } finally {
    lease.release();
  }
}

function readJournal(written: string): Journalled[] {
  const lines = written.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as JournalLine];
    } catch {
      return []; // the last one may be half written
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
  const status =
    outcome === undefined
      ? "detached"
      : outcome.cancelled
        ? "cancelled"
        : outcome.failed || outcome.failure
          ? "failed"
          : outcome.change;
  const { host, by, at } = started;
  return [
    { by, at, over: outcome !== undefined, report: reporter.finish(host, "", status, ms, outcome?.failure) },
  ];
}
