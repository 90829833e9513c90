/** `npm run cancellations`, `soak`, `races` and `fuzz`: what takes long, by hand. */
import { parseArgs } from "node:util";
import { installDebianPackages } from "../support/_debian";
import { removeLeftMachines } from "../support/_left";

export interface ProgramOptions {
  readonly count: number;
  /** Repeats a run. */
  readonly seed: number;
  print(line: string): void;
}

/** The `program` export of each file in this directory without an underscore. */
export interface Program {
  /** How often it does its work, unless told. */
  readonly count: number;
  /** False: it boots none. */
  readonly machines?: false;
  /** Returns what was not as it should be. */
  run(options: ProgramOptions): Promise<readonly string[]>;
}

const names = ["cancellations", "soak", "races", "fuzz"];

/** Runs one program. The exit code is 1 when something was not as it should be, 2 when `argv` is invalid. */
export async function main(argv: readonly string[]): Promise<void> {
  const { name, count, seed } = readArguments(argv);
  const { program } = require(`./${name}`) as { program: Program };
  const problem = program.machines === false ? undefined : await installDebianPackages();
  if (problem !== undefined) process.stderr.write(`${problem}\n`);
  // With its machines and prompts.
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)
    process.once(signal, () => process.exit(code));
  const options = { count: count ?? program.count, seed: seed ?? Date.now() % 2 ** 31, print: console.log };
  console.log(`${name}: --count ${options.count} --seed ${options.seed}`);
  try {
    const problems = await program.run(options);
    for (const each of problems) console.log(`problem: ${each}`);
    process.exitCode = problems.length > 0 ? 1 : 0;
  } finally {
    await removeLeftMachines();
  }
  process.exit();
}

function readArguments(argv: readonly string[]): { name: string; count?: number; seed?: number } {
  const usage = `usage: npm run ${names.join(" or npm run ")} -- [--count N] [--seed N]`;
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { count: { type: "string" }, seed: { type: "string" } },
    });
    const [name = "", ...more] = positionals;
    if (!names.includes(name) || more.length > 0) throw new Error("which of them?");
    return { name, ...numberOf("count", values.count), ...numberOf("seed", values.seed) };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}\n`);
    return process.exit(2);
  }
}

function numberOf(name: string, text: string | undefined): { [name: string]: number } {
  if (text === undefined) return {};
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${name} ${text}: expected a whole number from 1`);
  return { [name]: Number(text) };
}
