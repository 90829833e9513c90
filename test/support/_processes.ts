/** The processes that tests start, as seen from outside. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { type ProcessId, processId } from "./_slots";

/** Environment variable with the ids, separated by spaces, of everything that a process belongs to. */
export const MARK = "CONSFIGURATOR_TEST";

/** The environment for processes that belong to `id`, besides what this process belongs to. */
export function markedEnvironment(id: string): NodeJS.ProcessEnv {
  return { ...process.env, [MARK]: [process.env[MARK], id].filter(Boolean).join(" ") };
}

export interface FoundProcess extends ProcessId {
  readonly command: string;
}

/** The running processes, of `pids`, that belong to an id, except this one; none where there is no /proc. */
export function processesMarked(isOurs: (id: string) => boolean, pids = allPids()): FoundProcess[] {
  return pids.flatMap((pid) => {
    if (pid === process.pid) return [];
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      const mark = environment.find((entry) => entry.startsWith(`${MARK}=`))?.slice(MARK.length + 1);
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      if (![...(mark?.split(" ") ?? []), ...idsNamedIn(command)].some(isOurs)) return [];
      const id = processId(pid);
      if (id === undefined) return [];
      return [{ ...id, command }];
    } catch {
      return []; // ended, or of another user
    }
  });
}

/** The ids of the test files whose temporary files a command names: a title that sshd sets overwrites its environment. */
function idsNamedIn(command: string): string[] {
  return [...command.matchAll(/\/cfgt-([0-9a-f]{12})\/(\d+)\//g)].map(([, run, file]) => `${run}.${file}`);
}

/** Kills processes, unless another one has their pid by now. */
export function killAll(found: readonly ProcessId[], signal: NodeJS.Signals = "SIGKILL"): void {
  for (const { pid, start } of found) {
    try {
      if (processId(pid)?.start === start) process.kill(pid, signal);
    } catch {
      // ended in the meantime
    }
  }
}

/** PF_EXITING in the flags of /proc/PID/stat; see proc(5) and include/linux/sched.h. */
const EXITING = 0x4;

/** Whether a process is on its way out: it closes its pipes a moment before it stops being a parent. */
export function isEnding(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const flags = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[6]);
    return (flags & EXITING) !== 0;
  } catch {
    return true;
  }
}

/** A line for each process below `ancestor`: its pid, its age, and its command, indented by its depth. */
export function treeBelow(ancestor: number): string[] {
  const list = execFileSync("ps", ["-A", "-ww", "-o", "pid=,ppid=,etime=,args="], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  const rows = list.split("\n").flatMap((line) => {
    const [, pid, parent, age = "", command = ""] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), age, command }];
  });
  const below = (parent: number, indent: string): string[] =>
    rows
      .filter((row) => row.parent === parent && !isOwn(row.command))
      .flatMap(({ pid, age, command }) => [
        `${indent}${pid} (${age}) ${command.slice(0, 200)}`,
        ...below(pid, `${indent}  `),
      ]);
  return below(ancestor, "");
}

/** What every test process has below it: this command, and the compiler, which ends with its process. */
export const isOwn = (command: string): boolean =>
  command.startsWith("ps -A -ww") || command.includes("/lib/util/_compiler-program.js");

/** The pids of the children that the main thread of a process has started. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    // Some kernels lack that file.
    return allPids().filter((other) => parentOf(other) === pid);
  }
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

function allPids(): number[] {
  try {
    return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  } catch {
    return [];
  }
}
