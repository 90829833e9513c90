/** What a run of the tests prints. */
import type { FileResult } from "./_collected";

export function print(result: FileResult, width: number): void {
  const { file, failures, milliseconds, output, left, running } = result;
  const mark = failures.length > 0 ? "FAILED" : running ? "STOPPED" : "ok    ";
  console.log(`${mark} ${file.padEnd(width)}  ${countsOf(result)}  ${seconds(milliseconds)}`);
  for (const failure of failures) {
    console.log(indented(`\n✖ ${failure.name}\n  at ${failure.location}\n${indented(failure.detail)}\n`));
  }
  if (failures.length > 0 && output.trim() !== "")
    console.log(indented(`output of the file:\n${indented(output.trim())}\n`));
  if (left.length > 0 && !running)
    console.log(
      indented(`it left processes, which were killed:\n${indented(left.map(onOneLine).join("\n"))}`),
    );
}

export interface Stopped {
  /** The signal. */
  readonly by: string;
  readonly notStarted: number;
}

/** Prints the skipped tests with reasons, the failed tests, and the counts. True when nothing failed. */
export function summarize(results: readonly FileResult[], stopped?: Stopped): boolean {
  const skips = results.flatMap((result) => result.skips);
  const failures = results.flatMap((result) => result.failures);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  if (skips.length > 0) console.log("\nSkipped:");
  for (const { name, location, reason } of skips) console.log(`  ${name} (${location}): ${reason}`);
  if (failures.length > 0) console.log("\nFailed:");
  for (const { name, location } of failures) console.log(`  ${name} (${location})`);
  const running = results.filter((result) => result.running);
  if (running.length > 0) console.log("\nRunning when it was stopped:");
  for (const { file, running: tests = [] } of running)
    console.log(`  ${file}: ${tests.join("; ") || "between two tests"}`);
  if (results.length > 10) printSlowest(results);
  const counts = `${passed} passed, ${failures.length} failed, ${skips.length} skipped`;
  if (stopped === undefined) console.log(`\n${counts}`);
  else console.log(`\n${counts}; stopped by ${stopped.by}, ${stopped.notStarted} files not started`);
  return failures.length === 0 && passed > 0 && stopped === undefined;
}

function printSlowest(results: readonly FileResult[]): void {
  const slowest = results.toSorted((one, other) => other.milliseconds - one.milliseconds).slice(0, 10);
  console.log("\nSlowest:");
  for (const { file, milliseconds } of slowest)
    console.log(`  ${seconds(milliseconds).padStart(8)}  ${file}`);
}

function countsOf({ passed, failures, skips }: FileResult): string {
  const parts = [
    passed > 0 ? `${passed} passed` : "",
    failures.length > 0 ? `${failures.length} failed` : "",
    skips.length > 0 ? `${skips.length} skipped` : "",
  ];
  return parts.filter(Boolean).join(", ");
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}

/** A command line may contain a whole script. */
const onOneLine = (command: string): string => {
  const line = command.replace(/\s+/g, " ").trim();
  return line.length > 150 ? `${line.slice(0, 150)}…` : line;
};
