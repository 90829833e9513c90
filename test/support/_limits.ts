/**
 * Loaded into each process that runs a test file, before the file. When a test takes longer than its limit, its failure
 * shows what it waited for. The process ends when the runner is gone, so that nothing is left behind.
 */
import assert from "node:assert/strict";
import { utimes } from "node:fs";
import nodeTest, { type TestContext } from "node:test";
import { isMainThread } from "node:worker_threads";
import { isEnding, killAll, MARK, processesMarked, treeBelow } from "./_processes";
import { stopwatch } from "./load";
import { abandonWaits, described, pendingWaits } from "./until";

/** Begins the diagnostic of a test that took too long. */
export const LATE = "\u0001late\n";

/** Environment variable with the file that such a process touches as a sign of life. */
export const ALIVE = "CONSFIGURATOR_TEST_ALIVE";

/** Seconds, as they pass on idle cores, that a hook may take unless it names another limit: hooks boot machines. */
const hookLimit = 240;

if (isMainThread && process.env["NODE_TEST_CONTEXT"] === "child-v8") install();

function install(): void {
  noteAssertions();
  limitHooks();
  liveWithRunner();
  // After the file was loaded: before, node:test would take over its uncaught errors.
  process.nextTick(() => nodeTest.beforeEach(reportWhenLate));
}

function reportWhenLate(context: unknown): void {
  const t = context as TestContext & { readonly error?: { readonly failureType?: string } | null };
  t.signal.addEventListener("abort", () => {
    // The signal is aborted after every test.
    if (t.error?.failureType !== "testTimeoutFailure") return;
    t.diagnostic(LATE + waitedFor());
    abandonWaits();
  });
}

/** What this process does at the moment, for whoever has to find out why it does not go on. */
function waitedFor(): string {
  const waits = pendingWaits().map(described);
  const processes = treeBelow(process.pid);
  return [
    waits.length > 0 ? `it waited for:\n${indented(waits)}` : "it waited for no condition of until()",
    lastAssertion === undefined ? "it had asserted nothing" : `its last assertion: ${where(lastAssertion)}`,
    processes.length > 0 ? `processes below it:\n${indented(processes)}` : "no process was below it",
  ].join("\n");
}

const indented = (texts: readonly string[]): string => texts.join("\n").replace(/^/gm, "  ");

let lastAssertion: { readonly name: string; readonly at: Error } | undefined;

/** Remembers the last assertion. `assert.ok` is left alone: its message quotes the code that calls it. */
function noteAssertions(): void {
  const methods = assert as unknown as Record<string, unknown>;
  for (const [name, method] of Object.entries(methods)) {
    if (!/^(not)?(deep|strict|partial)?\w*equal$|match|reject|throw/i.test(name)) continue;
    if (typeof method !== "function") continue;
    methods[name] = (...args: unknown[]) => {
      lastAssertion = { name, at: new Error() };
      return method(...args);
    };
  }
}

function where({ name, at }: { name: string; at: Error }): string {
  const frames = at.stack?.split("\n").slice(2) ?? [];
  const frame = frames.find((line) => line.includes("/test/")) ?? frames[0] ?? "";
  return `assert.${name} ${frame.trim()}`;
}

type Hook = (fn?: (...args: never[]) => unknown, options?: { timeout?: number }) => void;

/** Hooks have a limit, too, and say what they waited for. */
function limitHooks(): void {
  const hooks = nodeTest as unknown as Record<string, Hook>;
  for (const name of ["before", "after", "beforeEach", "afterEach"]) {
    const original = hooks[name];
    if (original === undefined) continue;
    hooks[name] = (fn, options = {}) => {
      const seconds = (options.timeout ?? hookLimit * 1000) / 1000;
      const limited = async (context: never) => {
        let timer: NodeJS.Timeout | undefined;
        const elapsed = stopwatch();
        const late = new Promise((_, reject) => {
          const fail = () => reject(`${name} did not finish within ${seconds} s; ${waitedFor()}`);
          timer = setInterval(() => elapsed() > seconds * 1000 && fail(), 200);
        });
        try {
          await Promise.race([fn?.(context), late]);
        } finally {
          clearInterval(timer);
        }
      };
      original(limited, { ...options, timeout: Number.POSITIVE_INFINITY });
    };
  }
}

/** Tells the runner that this process lives, and ends with it: then nothing of what it started is left either. */
function liveWithRunner(): void {
  const runner = process.ppid;
  const alive = process.env[ALIVE];
  const mark = process.env[MARK]?.split(" ").at(-1);
  process.once("exit", () => {
    if (process.ppid !== runner || isEnding(runner)) killAll(processesMarked((id) => id === mark));
  });
  // Nobody reads what it writes. As an uncaught error, that would end it without its exit handlers.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => process.exit(143));
  const timer = setInterval(() => {
    if (process.ppid !== runner) process.exit(143);
    if (alive === undefined) return;
    const now = new Date();
    utimes(alive, now, now, () => {});
  }, 500);
  timer.unref();
}
