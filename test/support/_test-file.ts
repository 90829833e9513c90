/** One test file, run in a process of its own by node:test, and what came of it. */
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
  /** `file:line`, from the checkout. */
  readonly place: string;
  readonly detail: string;
}

export interface Skip {
  readonly name: string;
  readonly place: string;
  readonly reason: string;
}

export interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
  readonly milliseconds: number;
  /** What the file wrote to its standard output and error. */
  readonly output: string;
}

export interface FileOptions {
  readonly root: string;
  /** Milliseconds after which the file is ended and counts as failed. */
  readonly timeout: number;
  /** Milliseconds that it then has to end by itself. */
  readonly grace?: number;
}

/** Runs the tests of `file`, a path from `root`. Ends in time whatever the file does. */
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
    collected.failFile(`did not end within ${timeout / 1000} s, and was ended`);
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

/** The fields of node:test's events that are looked at. */
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
      if (type === "test:fail") this.#fileError ??= howItEnded(found.details?.error);
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
    // A file in which a test failed fails for that reason alone, unless it was ended.
    if (why !== undefined && (failures.length === 0 || why.startsWith("did not end"))) {
      failures.push({ name: "the file", place: this.#placeOf({ name: "", file: this.#file }), detail: why });
    }
    return { passed: this.#passed, failures, skips: this.#skips, output: this.#output };
  }

  /** A suite counts only by its tests, unless it was skipped whole, or failed by itself. */
  #takeEnd(passed: boolean, data: TestData): void {
    const [name, place] = [this.#nameOf(data), this.#placeOf(data)];
    const isSuite = data.details?.type === "suite";
    const skipped = data.skip ?? data.todo;
    if (skipped !== undefined && skipped !== false) {
      const mark = data.skip === undefined ? "todo" : "no reason given";
      this.#skips.push({
        name,
        place,
        reason: typeof skipped === "string" && skipped !== "" ? skipped : mark,
      });
    } else if (!passed) {
      const error = data.details?.error;
      if (error?.failureType === "subtestsFailed") return;
      this.#failures.push({ name, place, detail: describeError(error) });
    } else if (!isSuite) {
      this.#passed += 1;
    }
  }

  #nameOf(data: TestData): string {
    const parent = data.parentId === undefined ? undefined : this.#known.get(data.parentId);
    return parent === undefined ? data.name : `${this.#nameOf(parent)} › ${data.name}`;
  }

  #placeOf({ file = this.#file, line, column }: TestData): string {
    const place = path.relative(this.#root, file);
    if (line === undefined || column === undefined) return place;
    return `${place}:${lineAsWritten(file, line, column)}`;
  }
}

/** node:test tells places of the compiled file. */
function lineAsWritten(file: string, line: number, column: number): number {
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

function howItEnded(error: TestError | undefined): string {
  if (typeof error?.exitCode === "number") return `ended with exit ${error.exitCode}`;
  if (error?.signal) return `was ended by ${error.signal}`;
  return describeError(error);
}

/** node:test wraps what a test threw. */
function describeError(error: TestError | undefined): string {
  const thrown = error?.cause ?? error;
  if (typeof thrown === "string") return thrown;
  return inspect(thrown, { depth: 6 }).replace(/^ +at .*\(?node:.*\n/gm, "");
}

/** Waits for the children of this process that run `file`, which were asked to end; a loop cannot hear that. */
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
