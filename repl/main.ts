import path from "node:path";
import { parseArgs } from "node:util";
import { session } from "../lib/controller/session";
import { ConsfigError } from "../lib/model/errors";
import { stopsPlan } from "../lib/model/plan";
import { root as packageRoot } from "../lib/util/package.js";
import { similar } from "../lib/util/similar";
import { Interrupts, OUTPUT_CLOSED, SIGNALS } from "./_interrupts";

export const EXIT = { ok: 0, failed: 1, invalid: 2, changes: 3 } as const;

/** The command line is wrong; the message lists what is allowed. */
class UsageError extends ConsfigError {}

const USAGE: readonly (readonly [command: string, does: string])[] = [
  ["consfig [-v] [--no-check] [--consfig DIR]", "open the prompt; from a pipe, run it as a playbook"],
  [
    "consfig deploy HOST… [-v] [--json] [--consfig DIR]",
    "make hosts match their definitions; --json: print one event per line",
  ],
  ["consfig play FILE [-v] [--json] [--consfig DIR]", "run a playbook; - is standard input"],
  [
    "consfig plan [HOST…] [--out FILE] [-v] [--json] [--consfig DIR]",
    "say what a deployment would do, without doing it",
  ],
  [
    "consfig rehearse [HOST…] [--out FILE] [-v] [--json] [--consfig DIR]",
    "deploy into clones of hosts, on these hosts, and throw them away",
  ],
  [
    "consfig apply FILE [--strict] [-v] [--json] [--consfig DIR]",
    "do what the plan or rehearsal in FILE says, and nothing else",
  ],
  ["consfig check [--json] [--consfig DIR]", "check types and prepare every host, without connecting"],
  ["consfig init DIR", "create a working consfig"],
  ["consfig --help | --version", ""],
];

const USAGE_NOTES = `-v, --verbose: show every command that a step runs, with its exit code and duration, and what it prints.
--no-check: do not check types in the background after a save.
HOST is a host's own name, or the one that it has at the prompt.
DIR has hosts/ and properties/; the default is the current directory.
Exit code: 0 success, 1 a deployment failed, 2 the consfig, playbook or command line is wrong, 130 ended by Ctrl-C, 143 by SIGTERM, 141 when nobody reads the output any more; of plan and rehearse: 0 nothing would change, 3 something would, 1 something would fail.`;

function usage(): string {
  const { fitted } = require("./_layout") as typeof import("./_layout");
  return [
    ...USAGE.flatMap(([command, does]) => [command, ...(does ? fitted(does, "    ") : [])]),
    "",
    ...fitted(USAGE_NOTES),
  ].join("\n");
}

/** What happens when nobody reads the output any more, as in `consfig play site.repl | head -1`. */
let outputClosed = (): void => process.exit(OUTPUT_CLOSED);

/** Runs the command `consfig` with `argv`, and exits. */
export async function main(argv: readonly string[]): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") outputClosed();
    });
  let code: number;
  try {
    code = await run(argv);
  } catch (error) {
    code = EXIT.invalid;
    printError(error instanceof UsageError ? `consfig: ${error.message}` : await formatError(error));
  }
  await session.close();
  await exit(code);
}

/** Exits when everything printed has left this process. */
async function exit(code: number): Promise<void> {
  await Promise.all([written(process.stdout), written(process.stderr)]);
  process.exit(code);
}

/** Resolves when everything written to `stream` so far has left this process: its reader may be slow, and `exit` drops the rest. */
const written = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => void stream.write("", () => resolve()));

async function formatError(error: unknown): Promise<string> {
  const print = await Promise.resolve(require("./print") as typeof import("./print"));
  return print.printError(error);
}

const printError = (text: string): void => void process.stderr.write(`${text}\n`);

async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv);
  if (values.help) return print(usage());
  if (values.version)
    return print((require(path.join(packageRoot, "package.json")) as { version: string }).version);
  const [command, ...rest] = positionals;
  session.verbose = values.verbose;
  const directory = path.resolve(values.consfig ?? ".");
  switch (command) {
    case undefined:
      return process.stdin.isTTY ? prompt(directory, !values["no-check"]) : playInput(directory, values.json);
    case "deploy":
      return deployUnattended(directory, rest, values.json);
    case "play":
      return play(directory, onlyArgument(rest, "play needs one playbook: consfig play FILE"), values.json);
    case "plan":
    case "rehearse":
      return planUnattended(directory, rest, values, command === "rehearse");
    case "apply":
      return applyUnattended(
        directory,
        onlyArgument(rest, "apply needs one plan: consfig apply FILE"),
        values,
      );
    case "check":
      if (rest.length > 0)
        throw new UsageError(`check does not take "${rest[0]}"; choose the consfig with --consfig DIR`);
      consfigIn(directory);
      return (require("./check") as typeof import("./check")).check(directory, process.stdout, values);
    case "init":
      return (require("./init") as typeof import("./init")).init(
        onlyArgument(rest, "init needs one directory: consfig init DIR"),
        process.stdout,
      );
    default:
      throw new UsageError(unknown(command));
  }
}

function readArguments(argv: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        consfig: { type: "string" },
        json: { type: "boolean", default: false },
        out: { type: "string" },
        strict: { type: "boolean", default: false },
        verbose: { type: "boolean", short: "v", default: false },
        "no-check": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        version: { type: "boolean", default: false },
      },
    });
    return { values, positionals };
  } catch (error) {
    throw new UsageError(
      `${(error as Error).message.split(". ")[0]}; the options are --consfig DIR, --json, --out FILE, --strict, --verbose, --no-check, --help, --version`,
    );
  }
}

function unknown(command: string): string {
  const allowed = ["deploy", "play", "plan", "rehearse", "apply", "check", "init"];
  const [meant] = similar(allowed, command, 4);
  const guess = command.endsWith(".repl") ? `play ${command}` : (OPTIONS_MEANT[command] ?? meant);
  const advice = guess
    ? `did you mean: consfig ${guess}`
    : `the commands are ${allowed.join(", ")}; without one, the prompt opens`;
  return `there is no command "${command}"; ${advice}`;
}

/** Options that are commands elsewhere. */
const OPTIONS_MEANT: Readonly<Record<string, string>> = { help: "--help", version: "--version" };

function onlyArgument(args: readonly string[], usage: string): string {
  const [argument, ...more] = args;
  if (argument === undefined || more.length > 0) throw new UsageError(usage);
  return argument;
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return EXIT.ok;
}

/** Opens the consfig in `directory` without loading it. */
function openWorkspace(directory: string) {
  const { Workspace } = require("./workspace") as typeof import("./workspace");
  const consfig = consfigIn(directory);
  session.consfig = consfig;
  return new Workspace(consfig);
}

function consfigIn(directory: string): import("../lib/source/consfig").Consfig {
  const { openConsfig } = require("../lib/source/consfig") as typeof import("../lib/source/consfig");
  try {
    return openConsfig(directory);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "no such directory" : message;
    throw new UsageError(`${directory} is not a consfig: ${why}; create one with: consfig init DIR`);
  }
}

async function prompt(directory: string, check: boolean): Promise<number> {
  const workspace = openWorkspace(directory);
  const { openPrompt } = require("./prompt") as typeof import("./prompt");
  const input = process.stdin as NodeJS.ReadStream & { fd: 0 };
  const terminated = await openPrompt(workspace, input, process.stdout, { check });
  return terminated ? SIGNALS.SIGTERM : EXIT.ok;
}

function deployUnattended(directory: string, names: readonly string[], json: boolean): Promise<number> {
  if (names.length === 0)
    throw new UsageError("deploy needs a host: consfig deploy HOST…; consfig check lists them");
  const { deployHosts } = require("./deploy") as typeof import("./deploy");
  return playUnattended(directory, json, (shell) => deployHosts(names, shell));
}

async function play(directory: string, file: string, json: boolean): Promise<number> {
  if (file === "-") return playInput(directory, json);
  const { playFile } = require("./playbook") as typeof import("./playbook");
  return playUnattended(directory, json, (shell, options) => playFile(path.resolve(file), shell, options));
}

async function playInput(directory: string, json: boolean): Promise<number> {
  const { playStream } = require("./playbook") as typeof import("./playbook");
  return playUnattended(directory, json, (shell, options) =>
    playStream(process.stdin, path.resolve("stdin"), shell, options),
  );
}

function planUnattended(
  directory: string,
  names: readonly string[],
  { json, out }: { json: boolean; out?: string | undefined },
  rehearses: boolean,
): Promise<number> {
  const { planHosts } = require("./plan") as typeof import("./plan");
  return unattended(directory, json, (shell) => planHosts(names, shell, out, rehearses));
}

function applyUnattended(
  directory: string,
  file: string,
  { json, strict }: { json: boolean; strict: boolean },
): Promise<number> {
  const { applyPlan } = require("./plan") as typeof import("./plan");
  return unattended(directory, json, async (shell) =>
    (await applyPlan(file, strict, shell)) ? EXIT.ok : EXIT.failed,
  );
}

type Player = (shell: import("./shell").Shell, options: import("./evaluate").RunOptions) => Promise<boolean>;

/** Runs a playbook without asking questions: prints errors, and maps the result to an exit code. */
async function playUnattended(directory: string, json: boolean, player: Player): Promise<number> {
  return unattended(directory, json, async (shell, options) =>
    (await player(shell, options)) ? EXIT.ok : EXIT.failed,
  );
}

/** Runs `work`, which returns an exit code, without asking questions. */
async function unattended(
  directory: string,
  json: boolean,
  work: (shell: import("./shell").Shell, options: import("./evaluate").RunOptions) => Promise<number>,
): Promise<number> {
  const { Shell } = require("./shell") as typeof import("./shell");
  const { playView } = require("./views") as typeof import("./views");
  const out = json ? process.stderr : process.stdout;
  if (json) globalThis.console = new console.Console(process.stderr);
  const workspace = openWorkspace(directory);
  const shell = new Shell(workspace, out, playView(process.stdout, json));
  const interrupts = new Interrupts(shell, printError, (code) => void exit(code));
  outputClosed = () => interrupts.outputClosed();
  process.on("unhandledRejection", (error) => {
    if (stopsPlan(error)) return;
    shell.printError(error);
    interrupts.failed = true;
  });
  try {
    const { error } = workspace.refresh();
    if (error) throw error;
    const code = await work(shell, { signal: interrupts.signal });
    await shell.settled();
    if (interrupts.code !== undefined) return interrupts.code;
    if (interrupts.failed || shell.reports.some(({ status }) => status === "refused")) return EXIT.invalid;
    return code;
  } catch (error) {
    await shell.settled();
    if (interrupts.code !== undefined) return interrupts.code;
    shell.printError(error);
    return EXIT.invalid;
  } finally {
    const ending = await interrupts.ending();
    if (ending) printError(ending);
    interrupts.close();
    shell.end();
  }
}
