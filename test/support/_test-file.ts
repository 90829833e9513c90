/** Runs one test file in its own process with node:test, and collects the results. */
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import path from "node:path";
import { run } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Collected, type FileResult } from "./_collected";
import { childrenOf, killAll, processesMarked, treeBelow } from "./_processes";
import type { FileScope } from "./_this-run";
import { PATIENCE } from "./load";

/** Milliseconds without a sign of life after which a file is killed: more than any synchronous work takes. */
const SILENCE_LIMIT = 240_000;

/** Milliseconds that a file may take to exit after its last test: what it left open, and hooks of the whole file. */
const EXIT_LIMIT = 60_000;

/** Milliseconds that a test may take on idle cores, unless it names another limit. */
export const DEFAULT_TEST_LIMIT = 60_000;

export interface FileOptions {
  readonly root: string;
  /** Milliseconds after which the file is terminated and counts as failed. */
  readonly timeout: number;
  /** Milliseconds that a test may take here, unless it names another limit, which is then as much longer. */
  readonly testTimeout?: number;
  /** Milliseconds to exit after that, before it is killed. */
  readonly grace?: number;
  /** Stops the file. */
  readonly signal?: AbortSignal;
  /** Where its processes and temporary files belong. */
  readonly scope?: FileScope;
}

/** Runs the tests of `file`, relative to `root`. Returns in time even when the file hangs. */
export async function runTestFile(file: string, options: FileOptions): Promise<FileResult> {
  const { root, timeout, testTimeout = DEFAULT_TEST_LIMIT, grace = 10_000, signal, scope } = options;
  const start = performance.now();
  const absolute = path.join(root, file);
  const collected = new Collected(root, absolute);
  const abort = new AbortController();
  let ended: Promise<void> | undefined;
  let stopped = false;
  const end = () => {
    // What it has reported is still read. Aborting would discard it.
    ended ??= endChildren(absolute, grace).then(() => abort.abort());
  };
  const kill = (why: string) => {
    if (ended !== undefined) return;
    const below = childrenRunning(absolute).flatMap(treeBelow);
    const details = [...listed("running", collected.running()), ...listed("processes below it", below)];
    collected.kill([`${why}; killed`, ...details].join("\n"));
    end();
  };
  const stop = () => {
    if (ended !== undefined) return;
    stopped = true;
    collected.stop();
    end();
  };
  const late = setTimeout(() => kill(`did not finish within ${timeout / 1000} s`), timeout);
  signal?.addEventListener("abort", stop);
  const watch = scope && watching(scope, collected, kill);
  const required = ["lib/source/register.js", "test/support/_limits.ts"];
  const execArgv = [
    `--test-timeout=${testTimeout}`,
    ...required.flatMap((each) => ["--require", path.resolve(__dirname, "../..", each)]),
  ];
  const env = { ...(scope?.env ?? process.env), [PATIENCE]: String(testTimeout / DEFAULT_TEST_LIMIT) };
  try {
    if (signal?.aborted) stop();
    for await (const event of run({ files: [absolute], execArgv, cwd: root, env, signal: abort.signal })) {
      collected.take(event);
    }
  } finally {
    clearTimeout(late);
    clearInterval(watch);
    signal?.removeEventListener("abort", stop);
    await ended;
  }
  const milliseconds = performance.now() - start;
  const left = (await scope?.end()) ?? [];
  const result = { file, ...collected.result(), milliseconds, left };
  return stopped ? { ...result, running: collected.running() } : result;
}

const listed = (what: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`${what}:`, ...lines.map((line) => `  ${line}`)];

/**
 * Kills a file that gives no sign of life, as in an endless loop, or that does not exit after its tests, and what still
 * holds its output when it has exited.
 */
function watching(
  { mark, alive }: FileScope,
  collected: Collected,
  kill: (why: string) => void,
): NodeJS.Timeout {
  let seen = false;
  let gone = 0;
  const look = () => {
    const isOurs = (id: string) => id === mark;
    const lives = processesMarked(isOurs, childrenOf(process.pid)).length > 0;
    seen ||= lives;
    gone = lives || !seen ? 0 : gone + 1;
    if (gone > 2) killAll(processesMarked(isOurs));
    if (collected.idle() > EXIT_LIMIT) kill(`did not exit within ${EXIT_LIMIT / 1000} s after its last test`);
    const silence = Date.now() - statSync(alive).mtimeMs;
    if (silence > SILENCE_LIMIT) kill(`gave no sign of life for ${Math.round(silence / 1000)} s`);
  };
  return setInterval(look, 1000);
}

/** Ends the children that run `file`; kills those that do not exit, such as endless loops. */
async function endChildren(file: string, grace: number): Promise<void> {
  const end = Date.now() + grace;
  let pids = childrenRunning(file);
  signalAll(pids, "SIGTERM");
  for (; pids.length > 0; pids = childrenRunning(file)) {
    if (Date.now() > end) signalAll(pids, "SIGKILL");
    await pause(100);
  }
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // ended in the meantime
    }
  }
}

function childrenRunning(file: string): number[] {
  const list = execFileSync("ps", ["-A", "-ww", "-o", "pid=,ppid=,stat=,command="], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return list.split("\n").flatMap((line) => {
    const [, pid, parent, command = ""] = /^\s*(\d+)\s+(\d+)\s+[^Z]\S*\s+(.*)$/.exec(line) ?? [];
    return Number(parent) === process.pid && command.endsWith(file) ? [Number(pid)] : [];
  });
}
