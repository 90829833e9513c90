import { EventEmitter } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import repl, { type REPLServer, type ReplOptions } from "node:repl";
import type { ReadStream, WriteStream } from "node:tty";
import { pushSources } from "../lib/controller/push";
import { session } from "../lib/controller/session";
import { hosts } from "../lib/model/host";
import type { Watch } from "../lib/source/watch";
import { colour } from "./_colour";
import { IncompleteInput, warmUp as warmUpLanguage } from "./_language";
import { fitted } from "./_layout";
import { terminalAsker } from "./asker";
import { offerChoices } from "./choices";
import { runCommand } from "./commands";
import { hostNames } from "./commands/_host";
import { completer } from "./complete";
import { Interrupted } from "./evaluate";
import { Keyboard } from "./keyboard";
import { playFile } from "./playbook";
import { Shell } from "./shell";
import { Terminal } from "./terminal";
import { LiveScreen, warmUp as warmUpView } from "./views/live";
import type { Workspace } from "./workspace";

export interface PromptOptions {
  /** False: do not check types in the background after a save. */
  readonly check?: boolean;
}

/** Opens the prompt at a terminal. Resolves when the user leaves. */
export async function openPrompt(
  workspace: Workspace,
  input: ReadStream,
  output: WriteStream,
  { check = true }: PromptOptions = {},
): Promise<void> {
  const prompt = new Prompt(workspace, new Keyboard(input), output, check);
  process.on("uncaughtException", prompt.printUnhandled);
  process.on("unhandledRejection", prompt.printUnhandled);
  try {
    await prompt.run();
  } finally {
    process.off("uncaughtException", prompt.printUnhandled);
    process.off("unhandledRejection", prompt.printUnhandled);
  }
}

class Prompt {
  readonly #live: LiveScreen;
  readonly #shell: Shell;
  #server: REPLServer | undefined;
  #inputs = 0;
  /** Interrupts the running input; undefined while the prompt is idle. */
  #running: AbortController | undefined;
  #lastLoadError = "";
  /** True: a file of the consfig was saved while an input was running. */
  #saved = false;

  constructor(
    workspace: Workspace,
    private readonly keyboard: Keyboard,
    private readonly output: WriteStream,
    check: boolean,
  ) {
    const out = { write: (text: string) => this.#write(text) };
    this.#live = new LiveScreen(output, out, true);
    this.#shell = new Shell(workspace, out, () => this.#live.view());
    this.#shell.diagnostics.background = check;
    const terminal = new Terminal(keyboard, output);
    this.#shell.terminal = terminal;
    this.#shell.offerChoices = (signal) => offerChoices(this.#shell, terminal, signal);
  }

  async run(): Promise<void> {
    const drawing = { pause: () => this.#live.pause(), resume: () => this.#live.resume() };
    session.ask = terminalAsker(this.keyboard, this.output, drawing);
    this.#refresh();
    this.output.write(`${greeting(hostNames({ shell: this.#shell }), hosts.values().length)}\n`);
    const server = this.#start();
    this.#server = server;
    let watch: Watch | undefined;
    const warm = setTimeout(() => {
      warmUpLanguage();
      watch = session.consfig?.watch(() => {
        this.#pushAhead();
        this.#shell.diagnostics.saved();
      });
      // Handle keys pressed meanwhile first.
      setTimeout(() => {
        (require("../lib/source/compiler.js") as typeof import("../lib/source/compiler.js")).warmUp();
        void warmUpView();
      }, WARM_UP_AFTER_MS);
    }, WARM_UP_AFTER_MS);
    await new Promise((resolve) => server.once("exit", resolve));
    // Deployments that end from now on are printed without a prompt.
    this.#server = undefined;
    const left = this.#shell.deployments().flatMap(({ hosts }) => hosts);
    if (left.length > 0)
      this.output.write(
        `still running on ${left.join(", ")}; see .log ${left.length === 1 ? left[0] : "HOST"}\n`,
      );
    clearTimeout(warm);
    await watch?.close();
    session.ask = undefined;
    this.#shell.end();
    this.keyboard.close();
  }

  /** Prints an uncaught error or unhandled rejection; the session continues. */
  readonly printUnhandled = (error: unknown): void => this.#shell.printError(error);

  #start(): REPLServer {
    const options: ReplOptions & { domain: object } = {
      prompt: `${colour.cyan("consfig")}${colour.dim(">")} `,
      input: this.keyboard,
      output: this.output,
      terminal: true,
      useColors: colour.level > 0,
      useGlobal: true,
      preview: false,
      ignoreUndefined: true,
      completer: completer(this.#shell),
      eval: (text, _context, _file, done) =>
        void this.#evaluate(text).then((incomplete) => done(incomplete ?? null, undefined)),
      domain: Object.assign(new EventEmitter(), { bind: (act: unknown) => act }), // a real one slows every promise
    };
    const server = repl.start(options);
    this.#installCommands(server);
    this.#installInterrupts(server);
    server.setupHistory(historyFile(), () => {});
    return server;
  }

  /** Node's REPL looks up dot-commands in a table: this one has an entry for every name. */
  #installCommands(server: REPLServer): void {
    const table = new Proxy(server.commands as Record<string, unknown>, {
      get: (own, name) => {
        if (typeof name !== "string" || NODE_COMMANDS.has(name)) return own[name as string];
        return {
          action: (argument: string) => void this.#command(name, argument).then(() => server.displayPrompt()),
        };
      },
    });
    Object.defineProperty(server, "commands", { value: table });
  }

  async #command(name: string, argument: string): Promise<void> {
    const play = (file: string) => playFile(file, this.#shell);
    await this.#guarded(async (signal) => {
      await runCommand(name, argument, { shell: this.#shell, play, signal });
      if (name === "load") this.#shell.transcript.push(`.load ${argument}`);
    });
    if (this.#shell.ended) this.#server?.close();
  }

  /** Evaluates an input. Returns the error by which Node's REPL asks for more lines, if the input is incomplete. */
  async #evaluate(text: string): Promise<Error | undefined> {
    if (!text.trim()) return undefined;
    let incomplete: Error | undefined;
    await this.#guarded(async (signal) => {
      const { workspace } = this.#shell;
      this.#refresh();
      const file = `prompt://${this.#inputs + 1}`;
      const statements = compiled();
      if (!statements) return;
      this.#inputs += 1;
      const withSigint = <T>(act: () => T): T => this.keyboard.withSigint(act);
      const value = await this.#shell.run(statements, { signal, withSigint, attended: true });
      workspace.scope.last = value;
      this.#shell.transcript.push(text.trim());
      this.#shell.print(this.#shell.shown(value) ?? "");

      function compiled() {
        try {
          return workspace.compile(text, file);
        } catch (error) {
          if (!(error instanceof IncompleteInput)) throw error;
          incomplete = new repl.Recoverable(error);
          return undefined;
        }
      }
    });
    return incomplete;
  }

  /** Prints a load error once; the previous consfig stays in use. */
  #refresh(): void {
    this.#live.loadError = "";
    try {
      this.#shell.refresh();
      this.#lastLoadError = "";
    } catch (error) {
      const text = String(error);
      if (text !== this.#lastLoadError) {
        this.#shell.printError(error);
        this.#shell.print(colour.dim("keeping the previous consfig"));
        this.#live.loadError = (error as Error).message;
      }
      this.#lastLoadError = text;
    }
  }

  /** Sends saved files to connected agents, so that the next deployment does not have to. */
  #pushAhead(): void {
    this.#saved = true;
    if (this.#running) return; // a running input keeps the consfig that it started with
    this.#saved = false;
    this.#shell.workspace.refreshAhead();
    pushSources().catch(() => {}); // the next deployment sends what is missing, and reports errors
  }

  /** Runs `act` with the keyboard held; Ctrl-C interrupts it. Prints what it throws. */
  async #guarded(act: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const controller = new AbortController();
    this.#running = controller;
    this.keyboard.hold(() => this.#interrupt(controller));
    try {
      await act(controller.signal);
    } catch (error) {
      if (!(error instanceof Interrupted)) this.#shell.workspace.scope.lastError = error;
      this.#shell.printError(error);
    } finally {
      this.#running = undefined;
      if (this.#saved) setImmediate(() => this.#pushAhead());
      setImmediate(() => this.keyboard.release());
    }
  }

  /** The first Ctrl-C: deployments stop after the running step, and the prompt returns. */
  #interrupt(controller: AbortController): void {
    const deployments = this.#shell.deployments();
    this.#live.detach();
    for (const deployment of deployments) deployment.stop();
    if (deployments.length > 0)
      this.#shell.print(
        colour.yellow("stopping after the running step; press Ctrl-C again to cancel that step"),
      );
    controller.abort();
  }

  /** Ctrl-C at the idle prompt: cancels deployments in the background; without any, Node's REPL handles it. */
  #installInterrupts(server: REPLServer): void {
    const [usual] = server.listeners("SIGINT") as (() => void)[];
    server.removeAllListeners("SIGINT");
    server.on("SIGINT", () => {
      const deployments = this.#shell.deployments();
      if (deployments.length === 0) return usual?.();
      for (const deployment of deployments) deployment.cancel();
      this.#write(`${colour.yellow("cancelling the running step")}\n`);
    });
  }

  /** Writes above the prompt while it is idle. */
  #write(text: string): void {
    const server = this.#running ? undefined : this.#server;
    this.output.write(server ? `\r\u001b[J${text}` : text);
    if (server && !this.#shell.ended) server.displayPrompt(true);
  }
}

const MAX_GREETED = 5;

/** The hosts, and what to try first. `names`: of the hosts in scope; `count`: of all hosts. */
function greeting(names: readonly string[], count: number): string {
  const first = names.includes("sandbox") ? "sandbox" : names[0];
  const some = names.slice(0, MAX_GREETED);
  const shown = count > some.length ? [...some, "… (.hosts)"] : some;
  const text =
    count === 0
      ? "no hosts yet: export one from a file in hosts/"
      : `${count} ${count === 1 ? "host" : "hosts"}: ${shown.join(", ")}${first ? `; try deploy(${first})` : ""}`;
  return fitted(`${text}. Tab completes, .help lists the commands.`)
    .map((line) => colour.dim(line))
    .join("\n");
}

/** The compiler and ink are loaded after the prompt is on the screen. */
const WARM_UP_AFTER_MS = 50;

/** The dot-commands of Node's REPL that are kept: those for typing several lines. */
const NODE_COMMANDS = new Set(["break", "editor"]);

/** `$XDG_STATE_HOME/consfigurator/history`, readable only by its owner; empty if it cannot be created. */
function historyFile(): string {
  const state = process.env["XDG_STATE_HOME"] || path.join(os.homedir(), ".local", "state");
  const file = path.join(state, "consfigurator", "history");
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.closeSync(fs.openSync(file, "a", 0o600));
    fs.chmodSync(file, 0o600);
    return file;
  } catch {
    return "";
  }
}
