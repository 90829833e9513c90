import path from "node:path";
import { parseArgs } from "node:util";
import { session } from "../lib/controller/session";
import { ConsfigError } from "../lib/model/errors";
import { root as packageRoot } from "../lib/util/package.js";
import { similar } from "../lib/util/similar";

/** What the command comes to for whoever called it. */
export const EXIT = { ok: 0, failed: 1, wrong: 2, interrupted: 130 } as const;

/** The command line is wrong; the message says what is allowed. */
class UsageError extends ConsfigError {}

const USAGE = `consfig [-v] [--no-check] [--consfig DIR]  the prompt; from a pipe, plays what comes
consfig play FILE [-v] [--json] [--consfig DIR]
                                           plays a playbook; --json: one event a line
consfig check [--json] [--consfig DIR]     types, and every host prepared, without connecting
consfig init DIR                           makes a consfig that works
consfig --help | --version

-v, --verbose: every command that a step runs is shown, how it ended and how long it took.
--no-check: types are not checked in the background after a save.
DIR has hosts/ and properties/; it is the current directory unless given.
Exit code: 0 all well, 1 a deployment failed, 2 the consfig, playbook or command line is wrong, 130 interrupted.`;

/** Runs the command `consfig` with `argv`, and ends the process. */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.failed);
  });
  let code: number;
  try {
    code = await run(argv);
  } catch (error) {
    code = EXIT.wrong;
    say(error instanceof UsageError ? `consfig: ${error.message}` : await described(error));
  }
  await session.close();
  process.exit(code);
}

async function described(error: unknown): Promise<string> {
  const { printError } = await Promise.resolve(require("./print") as typeof import("./print"));
  return printError(error);
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = readArguments(argv);
  if (values.help) return print(USAGE);
  if (values.version)
    return print((require(path.join(packageRoot, "package.json")) as { version: string }).version);
  const [command, ...rest] = words;
  session.verbose = values.verbose;
  const directory = path.resolve(values.consfig ?? ".");
  switch (command) {
    case undefined:
      return process.stdin.isTTY ? prompt(directory, !values["no-check"]) : playInput(directory, values.json);
    case "play":
      return play(directory, one(rest, "play needs one playbook: consfig play FILE"), values.json);
    case "check":
      if (rest.length > 0)
        throw new UsageError(`check takes no "${rest[0]}"; say which consfig with --consfig DIR`);
      return (require("./check") as typeof import("./check")).check(directory, process.stdout, values);
    case "init":
      return (require("./init") as typeof import("./init")).init(
        one(rest, "init needs one directory: consfig init DIR"),
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
        verbose: { type: "boolean", short: "v", default: false },
        "no-check": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        version: { type: "boolean", default: false },
      },
    });
    return { values, words: positionals };
  } catch (error) {
    throw new UsageError(
      `${(error as Error).message.split(". ")[0]}; allowed are --consfig DIR, --json, --verbose, --no-check, --help, --version`,
    );
  }
}

function unknown(command: string): string {
  const allowed = ["play", "check", "init"];
  const [meant] = similar(allowed, command, 4);
  const guess = command.endsWith(".repl") ? `play ${command}` : meant;
  const advice = guess
    ? `did you mean: consfig ${guess}`
    : `allowed are ${allowed.join(", ")}, or nothing for the prompt`;
  return `there is no command "${command}"; ${advice}`;
}

function one(words: readonly string[], needed: string): string {
  const [word, ...more] = words;
  if (word === undefined || more.length > 0) throw new UsageError(needed);
  return word;
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return EXIT.ok;
}

/** The consfig in `directory`, not loaded yet. */
function openWorkspace(directory: string) {
  const { openConsfig } = require("../lib/source/consfig") as typeof import("../lib/source/consfig");
  const { Workspace } = require("./workspace") as typeof import("./workspace");
  let consfig: ReturnType<typeof openConsfig>;
  try {
    consfig = openConsfig(directory);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "it is not there" : message;
    throw new UsageError(`${directory} is no consfig: ${why}; make one with: consfig init DIR`);
  }
  session.consfig = consfig;
  return new Workspace(consfig);
}

async function prompt(directory: string, check: boolean): Promise<number> {
  const workspace = openWorkspace(directory);
  const { openPrompt } = require("./prompt") as typeof import("./prompt");
  await openPrompt(workspace, process.stdin as NodeJS.ReadStream & { fd: 0 }, process.stdout, { check });
  return EXIT.ok;
}

async function play(directory: string, file: string, json: boolean): Promise<number> {
  const { playFile } = require("./playbook") as typeof import("./playbook");
  return unattended(directory, json, (shell, options) => playFile(path.resolve(file), shell, options));
}

async function playInput(directory: string, json: boolean): Promise<number> {
  const { playStream } = require("./playbook") as typeof import("./playbook");
  return unattended(directory, json, (shell, options) =>
    playStream(process.stdin, path.resolve("stdin"), shell, options),
  );
}

type Player = (shell: import("./shell").Shell, options: import("./evaluate").RunOptions) => Promise<boolean>;

/** Plays with nobody to ask: what goes wrong is said, and decides the exit code. */
async function unattended(directory: string, json: boolean, player: Player): Promise<number> {
  const { Shell } = require("./shell") as typeof import("./shell");
  const { playView } = require("./views") as typeof import("./views");
  const out = json ? process.stderr : process.stdout;
  if (json) globalThis.console = new console.Console(process.stderr);
  const workspace = openWorkspace(directory);
  const shell = new Shell(workspace, out, playView(process.stdout, json));
  const interrupts = new Interrupts(shell);
  process.on("SIGINT", interrupts.receive);
  process.on("unhandledRejection", (error) => {
    shell.sayError(error);
    interrupts.wrong = true;
  });
  try {
    const { error } = workspace.refresh();
    if (error) throw error;
    const well = await player(shell, { signal: interrupts.signal });
    await shell.settled();
    if (interrupts.count > 0) return EXIT.interrupted;
    if (interrupts.wrong || shell.reports.some(({ status }) => status === "refused")) return EXIT.wrong;
    return well ? EXIT.ok : EXIT.failed;
  } catch (error) {
    await shell.settled();
    if (interrupts.count > 0) return EXIT.interrupted;
    shell.sayError(error);
    return EXIT.wrong;
  } finally {
    shell.end();
  }
}

/** Ctrl-C in a playbook: first deployments end after their running step, then the running step is cancelled. */
class Interrupts {
  count = 0;
  wrong = false;
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;

  constructor(private readonly shell: import("./shell").Shell) {}

  readonly receive = (): void => {
    this.count += 1;
    const deployments = this.shell.deployments();
    if (deployments.length === 0 || this.count > 2) process.exit(EXIT.interrupted);
    for (const deployment of deployments) {
      if (this.count === 1) deployment.stop();
      else deployment.cancel();
    }
    if (this.count === 1) say("stopping after the running step; Ctrl-C again to cancel that too");
    this.#controller.abort();
  };
}
