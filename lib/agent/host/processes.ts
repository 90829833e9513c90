import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { HOLDS, WAITS } from "../../model/host-lock";

/** A process of this host, as /proc shows it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** A letter, such as R, S, T (stopped), Z (ended, not yet reaped). */
  readonly state: string;
  /** With `pid`, it identifies the process: numbers are used again. */
  readonly startedAt: string;
  /** The name of its program, without arguments, which may be secret. */
  readonly name: string;
}

/** What was found when processes were ended: "sleep (pid 71)". */
export interface Ended {
  readonly ended: readonly string[];
  /** Those that are still there: owned by others, or waiting for a device. */
  readonly left: readonly string[];
}

const POLL_MS = 40;
/** Time between SIGTERM and SIGKILL, and then for the kernel to end them. */
const TERM_GRACE_MS = 1200;
const KILL_GRACE_MS = 800;

/** True when `promise` settles within \`ms\`. */
export const settledWithin = (ms: number, promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), sleep(ms, false)]);

/** True for the process that holds the host for a worker, or waits for it: it ends by itself, when nothing runs any more. */
const holdsHost = (pid: number): boolean => argumentsOf(pid).some((word) => word === HOLDS || word === WAITS);

/** Every process that we can see. */
export const allProcesses = (): ProcessInfo[] =>
  namesIn("/proc").flatMap((name) => (/^\d+$/.test(name) ? (processInfo(Number(name)) ?? []) : []));

/** The process `pid`; undefined when there is none. */
export function processInfo(pid: number): ProcessInfo | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name is in parentheses, and may contain some.
    const end = stat.lastIndexOf(")");
    const fields = stat.slice(end + 2).split(" ");
    const [state = "", parent, group, session] = fields;
    return {
      pid,
      parent: Number(parent),
      group: Number(group),
      session: Number(session),
      state,
      startedAt: fields[19] ?? "",
      name: stat.slice(stat.indexOf("(") + 1, end),
    };
  } catch {
    return undefined;
  }
}

/** True when `pid` was stopped by a signal. */
export const isStopped = (pid: number): boolean => /^[tT]$/.test(processInfo(pid)?.state ?? "");

/** The arguments of the process `pid`. */
export function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/**
 * Ends the processes `roots`, everything below them, and the process groups and sessions that they lead: SIGTERM, then
 * SIGKILL until they are gone. A daemon that made a session of its own and was left by its parent is not among them.
 */
export async function endProcesses(roots: readonly number[]): Promise<Ended> {
  const found = new Map<number, ProcessInfo>();
  const groups = new Set(roots);
  const signalled = new Map<number, NodeJS.Signals>();
  const started = performance.now();
  for (;;) {
    // What is started meanwhile is found too, as long as its parent or its group is known.
    const living = extended(found, groups).filter(({ state }) => state !== "Z");
    const elapsed = performance.now() - started;
    if (living.length === 0 || elapsed > TERM_GRACE_MS + KILL_GRACE_MS)
      return {
        ended: [...found.values()].filter((each) => !living.includes(each)).map(shown),
        left: living.map(shown),
      };
    const signal = elapsed < TERM_GRACE_MS ? "SIGTERM" : "SIGKILL";
    for (const { pid, state } of living) {
      if (signalled.get(pid) === signal) continue;
      signalled.set(pid, signal);
      send(pid, signal);
      // A stopped process does not receive SIGTERM before it continues.
      if (signal === "SIGTERM" && /t/i.test(state)) send(pid, "SIGCONT");
    }
    await sleep(POLL_MS);
  }
}

/** Adds to `found` what belongs to it now, and returns those that are still there. */
function extended(found: Map<number, ProcessInfo>, groups: Set<number>): ProcessInfo[] {
  const all = allProcesses().filter(({ pid }) => pid !== process.pid && pid !== 1);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const each of all) {
      if (found.has(each.pid)) continue;
      if (
        !groups.has(each.pid) &&
        !groups.has(each.group) &&
        !groups.has(each.session) &&
        !groups.has(each.parent)
      )
        continue;
      if (holdsHost(each.pid)) continue;
      found.set(each.pid, each);
      groups.add(each.pid);
    }
  }
  const now = new Map(all.map((each) => [each.pid, each]));
  for (const [pid, known] of found) {
    const current = now.get(pid);
    if (current?.startedAt === known.startedAt) found.set(pid, current);
    else now.delete(pid);
  }
  return [...found.values()].filter(({ pid }) => now.has(pid));
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended, or belongs to another user: it is then reported as left.
  }
}

const shown = ({ name, pid }: ProcessInfo): string => `${name} (pid ${pid})`;

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
