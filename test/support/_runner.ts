/** `npm test`, after installing the packages: format, types, tests, and a summary. */
import { globSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { installDebianPackages } from "./_debian";
import { removeLeftMachines } from "./_left";
import { tryRun } from "./_run";
import { type FileResult, runTestFile } from "./_test-file";

const root = path.resolve(__dirname, "../..");

/** Milliseconds that one test file may take. */
const fileTimeout = 1_200_000;

/** Takes minutes, so it starts before the others of its group. */
const longest = "test/lib/connection/conformance.test.ts";

/** Runs the named test files, or everything; sets the exit code of the process. */
export async function main(names: readonly string[]): Promise<void> {
  const files = names.length === 0 ? testFiles() : filesNamed(names);
  const problem = await installDebianPackages();
  if (problem !== undefined) process.stderr.write(`${problem}\n`);
  const results = names.length === 0 ? await runChecks() : [];
  const pure = files.filter((file) => !bootsMachines(file));
  const booting = files.filter(bootsMachines);
  const width = Math.max(0, ...files.map((file) => file.length));
  for (const group of [pure, booting]) {
    const run = async (file: string) => {
      const result = await runTestFile(file, { root, timeout: fileTimeout });
      print(result, width);
      results.push(result);
    };
    await inParallel(group, Math.max(2, Math.min(4, os.availableParallelism())), run);
  }
  await removeLeftMachines();
  process.exitCode = summarize(results) ? 0 : 1;
}

function testFiles(): string[] {
  const files = globSync("test/**/*.test.{ts,tsx}", { cwd: root }).sort();
  return [...files.filter((file) => file === longest), ...files.filter((file) => file !== longest)];
}

/** Names are relative to the directory where npm was started, or to the checkout. */
function filesNamed(names: readonly string[]): string[] {
  const all = testFiles();
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

/** Machines need memory and CPU time, so files that boot them run last. */
function bootsMachines(file: string): boolean {
  return /needsMachines|support\/machines/.test(readFileSync(path.join(root, file), "utf8"));
}

async function runChecks(): Promise<FileResult[]> {
  const tool = (name: string) => [process.execPath, path.join(root, "node_modules/.bin", name)];
  const format = await check("format", [
    ...tool("biome"),
    "ci",
    "--colors=off",
    "--diagnostic-level=warn",
    "--error-on-warnings",
    "--max-diagnostics=100",
    root,
  ]);
  const types = await check("types", [...tool("tsc"), "--project", root, "--noEmit", "--pretty", "false"]);
  return [format, types];
}

async function check(name: string, command: readonly string[]): Promise<FileResult> {
  const start = performance.now();
  const { stdout, stderr, exit } = await tryRun(command);
  const detail = `${stdout}${stderr}`.trim();
  const failures = exit === 0 ? [] : [{ name, location: command.slice(1, 3).join(" "), detail }];
  const milliseconds = performance.now() - start;
  const result = { file: name, passed: exit === 0 ? 1 : 0, failures, skips: [], milliseconds, output: "" };
  print(result, 0);
  return result;
}

async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

function print(result: FileResult, width: number): void {
  const { file, failures, milliseconds, output } = result;
  const mark = failures.length === 0 ? "ok    " : "FAILED";
  console.log(`${mark} ${file.padEnd(width)}  ${countsOf(result)}  ${(milliseconds / 1000).toFixed(1)} s`);
  for (const failure of failures) {
    console.log(indented(`\n✖ ${failure.name}\n  at ${failure.location}\n${indented(failure.detail)}\n`));
  }
  if (failures.length > 0 && output.trim() !== "")
    console.log(indented(`output of the file:\n${indented(output.trim())}\n`));
}

function countsOf({ passed, failures, skips }: FileResult): string {
  const parts = [
    passed > 0 ? `${passed} passed` : "",
    failures.length > 0 ? `${failures.length} failed` : "",
    skips.length > 0 ? `${skips.length} skipped` : "",
  ];
  return parts.filter(Boolean).join(", ");
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}

/** Prints the skipped tests with reasons, the failed tests, and the counts. True when nothing failed. */
function summarize(results: readonly FileResult[]): boolean {
  const skips = results.flatMap((result) => result.skips);
  const failures = results.flatMap((result) => result.failures);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  if (skips.length > 0) console.log("\nSkipped:");
  for (const { name, location, reason } of skips) console.log(`  ${name} (${location}): ${reason}`);
  if (failures.length > 0) console.log("\nFailed:");
  for (const { name, location } of failures) console.log(`  ${name} (${location})`);
  console.log(`\n${passed} passed, ${failures.length} failed, ${skips.length} skipped`);
  return failures.length === 0 && passed > 0;
}
