/** `npm run bench`: runs each measurement in its own process, then prints a table. */
import { fork } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { installDebianPackages } from "../support/_debian";
import { removeLeftMachines } from "../support/_left";
import type { Figure } from "./_figures";
import { table } from "./_table";

/** The result of one measurement. */
interface Result {
  readonly name: string;
  readonly figures: readonly Figure[];
  /** Why there are no figures. */
  readonly error?: string;
}

/** Milliseconds that one measurement may take. */
const timeouts = { short: 300_000, long: 1_800_000 };

/** Runs the named measurements, or all. The exit code is 1 when a measurement fails, 2 when `argv` is invalid. */
export async function main(argv: readonly string[]): Promise<void> {
  const { names, json, long } = readArguments(argv);
  const print = json ? (text: string) => process.stderr.write(`${text}\n`) : console.log;
  const problem = await installDebianPackages();
  if (problem !== undefined) process.stderr.write(`${problem}\n`);
  const state = mkdtempSync(path.join(os.tmpdir(), "consfig-bench-"));
  const results: Result[] = [];
  try {
    for (const name of names) {
      const started = performance.now();
      const result = await runMeasurement(name, long, state);
      results.push(result);
      print(`${name}  ${result.error ?? "measured"}  ${((performance.now() - started) / 1000).toFixed(1)} s`);
    }
  } finally {
    rmSync(state, { recursive: true, force: true });
    await removeLeftMachines();
  }
  const figures = results.flatMap((result) => result.figures);
  const overBudget = figures.filter(({ ok }) => ok === false).length;
  const computer = { cores: os.availableParallelism(), load: os.loadavg()[1], node: process.version };
  if (json)
    console.log(
      JSON.stringify({ bench: 1, at: new Date().toISOString(), computer, results, over: overBudget }),
    );
  else
    console.log(
      `\n${table(figures)}\n\n${figures.length} figures, ${overBudget} over budget; load ${computer.load?.toFixed(1)} on ${computer.cores} cores`,
    );
  if (results.some(({ error }) => error !== undefined)) process.exitCode = 1;
}

/** The files beside this one that do not start with `_`. */
const measurements = (): string[] =>
  readdirSync(__dirname)
    .filter((name) => /^[a-z][\w-]*\.ts$/.test(name))
    .map((name) => path.basename(name, ".ts"))
    .sort();

function readArguments(argv: readonly string[]) {
  const all = measurements();
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { json: { type: "boolean", default: false }, long: { type: "boolean", default: false } },
    });
    const unknown = positionals.find((name) => !all.includes(name));
    if (unknown !== undefined) throw new Error(`there is no measurement "${unknown}"`);
    return { ...values, names: positionals.length > 0 ? positionals : all };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}; allowed: --json, --long, ${all.join(", ")}\n`);
    return process.exit(2);
  }
}

/** In its own process, so that measurements do not share caches, hosts or memory, and cannot end each other. */
function runMeasurement(name: string, long: boolean, state: string): Promise<Result> {
  return new Promise((settled) => {
    const child = fork(path.join(__dirname, "_process.ts"), [name, ...(long ? ["--long"] : [])], {
      execArgv: ["--expose-gc", "--require", path.join(__dirname, "../../lib/source/register.js")],
      // Keeps the user's own state about hosts and agents out of the measurement.
      env: { ...process.env, XDG_STATE_HOME: state },
      stdio: ["ignore", 2, "inherit", "ipc"],
      timeout: long ? timeouts.long : timeouts.short,
      killSignal: "SIGKILL",
    });
    let result: Result = { name, figures: [], error: "exited without figures" };
    child.on("message", (message) => {
      result = { name, ...(message as Omit<Result, "name">) };
    });
    child.on("error", (error) => settled({ name, figures: [], error: error.message }));
    child.on("exit", (_code, signal) =>
      settled(signal === null ? result : { name, figures: [], error: `killed by ${signal}` }),
    );
  });
}
