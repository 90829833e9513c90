/** `npm test`, after installing the packages: format, types, tests, and a summary. */
import os from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { cacheHome } from "../../lib/util/package";
import type { FileResult } from "./_collected";
import { installDebianPackages } from "./_debian";
import { removeLeftMachines } from "./_left";
import { inOrder, isQuick, nextOf, recordSeconds, testFiles, type Work } from "./_order";
import { Places } from "./_places";
import { tryRun } from "./_run";
import { print, type Stopped, summarize } from "./_summary";
import { DEFAULT_TEST_LIMIT, runTestFile } from "./_test-file";
import { beginRun, type ThisRun } from "./_this-run";
import { MOST_PATIENCE, patience } from "./load";

const root = path.resolve(__dirname, "../..");

/** Milliseconds that one test file may take. Each of its tests has a limit of its own. */
const fileTimeout = 2_700_000;

/** So many files compile what they load themselves. */
const FEW = 10;

/** Milliseconds between two looks at whether there is room for another file. */
const LOOK_MS = 500;

/**
 * Runs the named test files, or `all`; sets the exit code of the process. `parent`: the process that waits for this one;
 * nobody does when it is gone.
 */
export async function main(args: readonly string[], parent?: number, all = testFiles()): Promise<void> {
  const { names, quick } = parsed(args);
  const stopping = stoppedBySignals(parent);
  const files = (names.length === 0 ? all : filesNamed(names, all)).filter((file) => !quick || isQuick(file));
  const compiled = files.length > FEW ? compileSources(stopping.signal) : undefined;
  const problem = quick ? undefined : await installDebianPackages();
  await compiled;
  if (problem !== undefined) process.stderr.write(`${problem}\n`);
  await removeLeftMachines();
  const thisRun = beginRun();
  const results: FileResult[] = [];
  let notStarted = files.length;
  try {
    const checks = names.length === 0 ? runChecks(stopping.signal, results) : Promise.resolve();
    notStarted -= await runFiles(files, { thisRun, signal: stopping.signal, results });
    await checks;
  } finally {
    thisRun.end();
    await removeLeftMachines();
    recordSeconds(results);
    const by = stopping.by();
    const stopped: Stopped | undefined = by && { by, notStarted };
    process.exitCode = summarize(results, stopped) ? 0 : by ? 128 + os.constants.signals[by] : 1;
  }
}

function parsed(args: readonly string[]): { names: readonly string[]; quick: boolean } {
  const unknown = args.find((arg) => arg.startsWith("-") && arg !== "--quick");
  if (unknown !== undefined) {
    process.stderr.write(
      `${unknown}: unknown option; usage: npm test -- [--quick] [FILE or DIRECTORY ...]\n`,
    );
    process.exit(2);
  }
  return { names: args.filter((arg) => !arg.startsWith("-")), quick: args.includes("--quick") };
}

async function compileSources(signal: AbortSignal): Promise<void> {
  const register = path.join(root, "lib/source/register.js");
  await tryRun([process.execPath, "--require", register, path.join(__dirname, "_compile.ts")], { signal });
}

/** The first signal stops the files; the summary and the cleaning up follow. */
function stoppedBySignals(parent: number | undefined): {
  signal: AbortSignal;
  by(): NodeJS.Signals | undefined;
} {
  const controller = new AbortController();
  let by: NodeJS.Signals | undefined;
  const stop = (name: NodeJS.Signals) => {
    by ??= name;
    controller.abort();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop(name));
  if (parent !== undefined) setInterval(() => process.ppid === parent || stop("SIGHUP"), 1000).unref();
  return { signal: controller.signal, by: () => by };
}

interface FilesOptions {
  readonly thisRun: ThisRun;
  readonly signal: AbortSignal;
  readonly results: FileResult[];
}

/** Runs files side by side, and adds their results as they end; returns how many were started. */
async function runFiles(
  files: readonly string[],
  { thisRun, signal, results }: FilesOptions,
): Promise<number> {
  const waiting = inOrder(files);
  const running = new Map<Work, Promise<void>>();
  const places = new Places();
  // Files beside each other keep the cores busy.
  const testTimeout = Math.round(DEFAULT_TEST_LIMIT * (files.length > 1 ? MOST_PATIENCE : patience()));
  const width = Math.max(0, ...files.map((file) => file.length));
  let started = 0;
  const start = async (work: Work) => {
    const scope = thisRun.forFile(started);
    const result = await runTestFile(work.file, { root, timeout: fileTimeout, testTimeout, signal, scope });
    running.delete(work);
    print(result, width);
    results.push(result);
  };
  while (waiting.length > 0 && !signal.aborted) {
    const room = places.now(running.size);
    const next = running.size < room ? nextOf(waiting, [...running.keys()], room) : undefined;
    if (next === undefined) {
      await Promise.race([...running.values(), pause(LOOK_MS, undefined, { ref: false })]);
      continue;
    }
    waiting.splice(waiting.indexOf(next), 1);
    started += 1;
    running.set(next, start(next));
  }
  await Promise.all(running.values());
  return started;
}

/** Names are relative to the directory where npm was started, or to the checkout. */
function filesNamed(names: readonly string[], all: readonly string[]): string[] {
  const found = names.flatMap((name) => all.filter((file) => isNamed(file, name)));
  const unknown = names.find((name) => !all.some((file) => isNamed(file, name)));
  if (unknown === undefined) return [...new Set(found)];
  process.stderr.write(
    `${unknown}: not a test file or a directory with test files; test files are test/**/*.test.ts\n`,
  );
  return process.exit(2);
}

function isNamed(file: string, name: string): boolean {
  const relative = path.relative(root, path.resolve(process.env.INIT_CWD ?? root, name));
  return file === relative || file.startsWith(`${relative}/`) || file === name;
}

async function runChecks(signal: AbortSignal, results: FileResult[]): Promise<void> {
  const tool = (name: string) => [process.execPath, path.join(root, "node_modules/.bin", name)];
  const format = [
    ...tool("biome"),
    "ci",
    "--colors=off",
    "--diagnostic-level=warn",
    "--error-on-warnings",
    "--max-diagnostics=100",
    root,
  ];
  // What has not changed since the last run on this computer is not checked again.
  const known = ["--incremental", "--tsBuildInfoFile", path.join(`${cacheHome}-test`, "types.tsbuildinfo")];
  const types = [...tool("tsc"), "--project", root, "--noEmit", "--pretty", "false", ...known];
  for (const [name, command] of [
    ["format", format],
    ["types", types],
  ] as const) {
    if (signal.aborted) return;
    results.push(await check(name, command, signal));
  }
}

async function check(name: string, command: readonly string[], signal: AbortSignal): Promise<FileResult> {
  const start = performance.now();
  const { stdout, stderr, exit } = await tryRun(command, { signal });
  const detail = `${stdout}${stderr}`.trim();
  const failures =
    exit === 0 || signal.aborted ? [] : [{ name, location: command.slice(1, 3).join(" "), detail }];
  const milliseconds = performance.now() - start;
  const passed = exit === 0 ? 1 : 0;
  const ran = { file: name, passed, failures, skips: [], milliseconds, output: "", left: [] };
  const result = exit !== 0 && signal.aborted ? { ...ran, running: ["stopped"] } : ran;
  print(result, 0);
  return result;
}
