/** What `npm run bench` does: each measurement in a process of its own, then a table. */
import { fork } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { installDebianPackages } from "../support/_debian";
import { removeLeftMachines } from "../support/_left";
import type { Figure } from "./_figures";
import { table } from "./_table";

/** What one measurement came to. */
interface Result {
  readonly name: string;
  readonly figures: readonly Figure[];
  /** Why there are no figures. */
  readonly error?: string;
}

/** Milliseconds that one measurement may take. */
const patience = { short: 300_000, long: 1_800_000 };

/** Runs what is named, or everything. The exit code is 1 when something could not be measured, 2 when `argv` is wrong. */
export async function main(argv: readonly string[]): Promise<void> {
  const { names, json, long } = readArguments(argv);
  const say = json ? (text: string) => process.stderr.write(`${text}\n`) : console.log;
  const trouble = await installDebianPackages();
  if (trouble !== undefined) process.stderr.write(`${trouble}\n`);
  const state = mkdtempSync(path.join(os.tmpdir(), "consfig-bench-"));
  const results: Result[] = [];
  try {
    for (const name of names) {
      const started = performance.now();
      const result = await measured(name, long, state);
      results.push(result);
      say(`${name}  ${result.error ?? "measured"}  ${((performance.now() - started) / 1000).toFixed(1)} s`);
    }
  } finally {
    rmSync(state, { recursive: true, force: true });
    await removeLeftMachines();
  }
  const figures = results.flatMap((result) => result.figures);
  const over = figures.filter(({ ok }) => ok === false).length;
  const computer = { cores: os.availableParallelism(), load: os.loadavg()[1], node: process.version };
  if (json) console.log(JSON.stringify({ bench: 1, at: new Date().toISOString(), computer, results, over }));
  else
    console.log(
      `\n${table(figures)}\n\n${figures.length} figures, ${over} over budget; load ${computer.load?.toFixed(1)} on ${computer.cores} cores`,
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
    const wrong = positionals.find((name) => !all.includes(name));
    if (wrong !== undefined) throw new Error(`there is no measurement "${wrong}"`);
    return { ...values, names: positionals.length > 0 ? positionals : all };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}; allowed are --json, --long, ${all.join(", ")}\n`);
    return process.exit(2);
  }
}

/** A process of its own: no measurement finds caches, hosts or memory of another, nor can it end the others. */
function measured(name: string, long: boolean, state: string): Promise<Result> {
  return new Promise((settled) => {
    const child = fork(path.join(__dirname, "_process.ts"), [name, ...(long ? ["--long"] : [])], {
      execArgv: ["--expose-gc", "--require", path.join(__dirname, "../../lib/source/register.js")],
      // What the agents remember of hosts is the person's own.
      env: { ...process.env, XDG_STATE_HOME: state },
      stdio: ["ignore", 2, "inherit", "ipc"],
      timeout: long ? patience.long : patience.short,
      killSignal: "SIGKILL",
    });
    let result: Result = { name, figures: [], error: "it ended without a figure" };
    child.on("message", (message) => {
      result = { name, ...(message as Omit<Result, "name">) };
    });
    child.on("error", (error) => settled({ name, figures: [], error: error.message }));
    child.on("exit", (_code, signal) =>
      settled(signal === null ? result : { name, figures: [], error: `it was ended by ${signal}` }),
    );
  });
}
