/** Runs one test file in its own process with node:test, and collects the results. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import path from "node:path";
import { run } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { inspect } from "node:util";

const { compile } = require("../../lib/source/register.js") as {
  compile(code: string, file: string): string;
};

export interface Failure {
  /** Suites and test, outermost first. */
  readonly name: string;
  /** `file:line`, relative to the checkout. */
  readonly location: string;
  readonly detail: string;
}

export interface Skip {
  readonly name: string;
  readonly location: string;
  readonly reason: string;
}

export interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
  readonly milliseconds: number;
  /** Standard output and error of the file. */
  readonly output: string;
}

export interface FileOptions {
  readonly root: string;
  /** Milliseconds after which the file is terminated and counts as failed. */
  readonly timeout: number;
  /** Milliseconds to exit after that, before it is killed. */
  readonly grace?: number;
}

/** Runs the tests of `file`, relative to `root`. Returns in time even when the file hangs. */
export async function runTestFile(
  file: string,
  { root, timeout, grace = 10_000 }: FileOptions,
): Promise<FileResult> {
  const start = performance.now();
  const absolute = path.join(root, file);
  const collected = new Collected(root, absolute);
  const abort = new AbortController();
  let ended: Promise<void> | undefined;
  const late = setTimeout(() => {
    collected.failFile(`did not finish within ${timeout / 1000} s; killed`);
    abort.abort();
    ended = endChildren(absolute, grace);
  }, timeout);
  const execArgv = ["--require", path.join(root, "lib/source/register.js")];
  try {
    for await (const event of run({ files: [absolute], execArgv, cwd: root, signal: abort.signal })) {
      collected.take(event);
    }
  } finally {
    clearTimeout(late);
    await ended;
  }
  return { file, ...collected.result(), milliseconds: performance.now() - start };
}

interface Event {
  readonly type: string;
  readonly data: unknown;
}

/** The fields of node:test's events that are used. */
interface TestData {
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly message?: string;
  readonly testId?: number;
  readonly parentId?: number;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details?: { readonly type?: string; readonly error?: TestError };
}

interface TestError extends Error {
  readonly failureType?: string;
  readonly exitCode?: number | null;
  readonly signal?: string | null;
}

class Collected {
  readonly #root: string;
  readonly #file: string;
  readonly #known = new Map<number, TestData>();
  readonly #failures: Failure[] = [];
  readonly #skips: Skip[] = [];
  #passed = 0;
  #output = "";
  #fileError: string | undefined;

  constructor(root: string, file: string) {
    this.#root = root;
    this.#file = file;
  }

  take({ type, data }: Event): void {
    const found = data as TestData;
    if (type === "test:stdout" || type === "test:stderr") this.#output += found.message ?? "";
    if (found?.name === this.#file) {
      if (type === "test:fail") this.#fileError ??= exitDescription(found.details?.error);
    } else if (type === "test:enqueue" && found.testId !== undefined) {
      this.#known.set(found.testId, found);
    } else if (type === "test:pass" || type === "test:fail") {
      this.#takeEnd(type === "test:pass", found);
    }
  }

  failFile(why: string): void {
    this.#fileError = why;
  }

  result(): Pick<FileResult, "passed" | "failures" | "skips" | "output"> {
    const failures = [...this.#failures];
    const seen = this.#passed + failures.length + this.#skips.length;
    const why = this.#fileError ?? (seen === 0 ? "has no tests" : undefined);
    // A failed test is reported instead of the failure of its file, unless the file was killed.
    if (why !== undefined && (failures.length === 0 || why.startsWith("did not finish"))) {
      failures.push({
        name: "the file",
        location: this.#locationOf({ name: "", file: this.#file }),
        detail: why,
      });
    }
    return { passed: this.#passed, failures, skips: this.#skips, output: this.#output };
  }

  /** Counts the tests of a suite, and the suite itself only when it is skipped or its hooks fail. */
  #takeEnd(passed: boolean, data: TestData): void {
    const [name, location] = [this.#nameOf(data), this.#locationOf(data)];
    const isSuite = data.details?.type === "suite";
    const skipped = data.skip ?? data.todo;
    if (skipped !== undefined && skipped !== false) {
      const mark = data.skip === undefined ? "todo" : "no reason given";
      this.#skips.push({
        name,
        location,
        reason: typeof skipped === "string" && skipped !== "" ? skipped : mark,
      });
    } else if (!passed) {
      const error = data.details?.error;
      if (error?.failureType === "subtestsFailed") return;
      this.#failures.push({ name, location, detail: describeError(error) });
    } else if (!isSuite) {
      this.#passed += 1;
    }
  }

  #nameOf(data: TestData): string {
    const parent = data.parentId === undefined ? undefined : this.#known.get(data.parentId);
    return parent === undefined ? data.name : `${this.#nameOf(parent)} › ${data.name}`;
  }

  #locationOf({ file = this.#file, line, column }: TestData): string {
    const relative = path.relative(this.#root, file);
    if (line === undefined || column === undefined) return relative;
    return `${relative}:${sourceLine(file, line, column)}`;
  }
}

/** node:test reports positions in the compiled file. */
function sourceLine(file: string, line: number, column: number): number {
  const map = /^\/\/# sourceMappingURL=data:[^,]*;base64,(.*)$/m.exec(
    compile(readFileSync(file, "utf8"), file),
  )?.[1];
  if (map === undefined) return line;
  const entry = new SourceMap(JSON.parse(Buffer.from(map, "base64").toString())).findEntry(
    line - 1,
    column - 1,
  );
  return "originalLine" in entry ? entry.originalLine + 1 : line;
}

function exitDescription(error: TestError | undefined): string {
  if (typeof error?.exitCode === "number") return `exited with code ${error.exitCode}`;
  if (error?.signal) return `was killed by ${error.signal}`;
  return describeError(error);
}

/** node:test wraps the error that a test threw. */
function describeError(error: TestError | undefined): string {
  const thrown = error?.cause ?? error;
  if (typeof thrown === "string") return thrown;
  return inspect(thrown, { depth: 6 }).replace(/^ +at .*\(?node:.*\n/gm, "");
}

/** Waits for the children that run `file` to exit after the abort; kills those that do not, such as endless loops. */
async function endChildren(file: string, grace: number): Promise<void> {
  const end = Date.now() + grace;
  for (let pids = childrenRunning(file); pids.length > 0; pids = childrenRunning(file)) {
    if (Date.now() > end) for (const pid of pids) process.kill(pid, "SIGKILL");
    await pause(100);
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
