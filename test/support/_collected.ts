/** Collects what node:test reports about one test file. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { inspect } from "node:util";
import { mapped, sourceMapIn } from "../../lib/util/source-maps.js";
import { LATE } from "./_limits";

const { compile } = require("../../lib/source/register.js") as {
  compile(code: string, file: string): string;
};

export interface Failure {
  /** Suites and test, outermost first. */
  readonly name: string;
  /** `file:line`, relative to the checkout. */
  readonly location: string;
  detail: string;
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
  /** When the file was stopped: its tests that had begun and not ended, with their seconds. */
  readonly running?: readonly string[];
  /** The commands of processes that the file left; they were killed. */
  readonly left: readonly string[];
}

interface Event {
  readonly type: string;
  readonly data: unknown;
}

/** The fields of node:test's events that are used. */
interface TestData {
  readonly name: string;
  readonly type?: string;
  readonly nesting?: number;
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

export class Collected {
  readonly #root: string;
  readonly #file: string;
  readonly #known = new Map<number, TestData>();
  /** When the tests began that have not ended. */
  readonly #begun = new Map<number, number>();
  /** Tests and suites that have not ended. */
  readonly #open = new Set<number>();
  #lastEnd = Number.POSITIVE_INFINITY;
  readonly #failedAt = new Map<string, Failure>();
  readonly #failures: Failure[] = [];
  readonly #skips: Skip[] = [];
  #passed = 0;
  #output = "";
  #fileError: string | undefined;
  #killed = false;
  #stopped = false;

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
      this.#open.add(found.testId);
    } else if (type === "test:dequeue" && found.testId !== undefined && found.type !== "suite") {
      this.#begun.set(found.testId, performance.now());
    } else if (type === "test:complete") {
      this.#begun.delete(found.testId ?? 0);
      this.#open.delete(found.testId ?? 0);
      this.#lastEnd = performance.now();
    } else if (type === "test:pass" || type === "test:fail") {
      this.#takeEnd(type === "test:pass", found);
    } else if (type === "test:diagnostic" && found.message?.startsWith(LATE)) {
      const failure = this.#failedAt.get(placeOf(found));
      if (failure !== undefined) failure.detail += `\n${found.message.slice(LATE.length)}`;
    }
  }

  /** The file is killed, which is reported even when tests have failed before. */
  kill(why: string): void {
    this.#fileError = why;
    this.#killed = true;
  }

  /** The file is stopped, which is no failure. */
  stop(): void {
    this.#stopped = true;
  }

  /** Milliseconds since the last test or suite ended; 0 while there is another. */
  idle(): number {
    return this.#open.size > 0 ? 0 : Math.max(0, performance.now() - this.#lastEnd);
  }

  /** The tests that have begun and not ended, with their seconds. */
  running(): string[] {
    return [...this.#begun].map(([id, since]) => {
      const test = this.#known.get(id);
      const seconds = ((performance.now() - since) / 1000).toFixed(1);
      return `${test === undefined ? "a test" : this.#nameOf(test)}, for ${seconds} s`;
    });
  }

  result(): Pick<FileResult, "passed" | "failures" | "skips" | "output"> {
    const [passed, output] = [this.#passed, this.#output];
    if (this.#stopped) return { passed, failures: this.#failures, skips: this.#skips, output };
    const failures = [...this.#failures];
    const seen = this.#passed + failures.length + this.#skips.length;
    const why = this.#fileError ?? (seen === 0 ? "has no tests" : undefined);
    // A failed test is reported instead of the failure of its file, unless the file was killed.
    if (why !== undefined && (failures.length === 0 || this.#killed)) {
      failures.push({
        name: "the file",
        location: this.#locationOf({ name: "", file: this.#file }),
        detail: why,
      });
    }
    return { passed, failures, skips: this.#skips, output };
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
      const failure = { name, location, detail: describeError(error) };
      this.#failures.push(failure);
      this.#failedAt.set(placeOf(data), failure);
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

/** Identifies a test in its file, as far as a diagnostic does. */
function placeOf({ file, line, column, nesting }: TestData): string {
  return [file, line, column, nesting].join(":");
}

/** node:test reports positions in the compiled file. */
function sourceLine(file: string, line: number, column: number): number {
  const map = sourceMapIn(compile(readFileSync(file, "utf8"), file));
  return (map && mapped(map, line, column)?.line) ?? line;
}

function exitDescription(error: TestError | undefined): string {
  if (typeof error?.exitCode === "number") return `exited with code ${error.exitCode}`;
  if (error?.signal) return `was killed by ${error.signal}`;
  return describeError(error);
}

/** node:test wraps the error that a test threw. */
function describeError(error: TestError | undefined): string {
  const thrown = error?.cause ?? error;
  const late = error?.failureType === "testTimeoutFailure" && /after (\d+)ms$/.exec(error.message)?.[1];
  if (late) return `did not finish within ${Number(late) / 1000} s`;
  if (typeof thrown === "string") return thrown;
  return inspect(thrown, { depth: 6 }).replace(/^ +at .*(\(?node:|test\/support\/_limits\.).*\n/gm, "");
}
