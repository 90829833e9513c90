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
import { Unfinished, warmUp as warmUpLanguage } from "./_language";
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
  /** False: what is saved is not type-checked in the background. */
  readonly check?: boolean;
}

/** Opens the prompt at a terminal. Resolves when the person leaves. */
export async function openPrompt(
  workspace: Workspace,
  input: ReadStream,
  output: WriteStream,
  { check = true }: PromptOptions = {},
): Promise<void> {
  const prompt = new Prompt(workspace, new Keyboard(input), output, check);
  process.on("uncaughtException", prompt.sayAside);
  process.on("unhandledRejection", prompt.sayAside);
  try {
    await prompt.run();
  } finally {
    process.off("uncaughtException", prompt.sayAside);
    process.off("unhandledRejection", prompt.sayAside);
  }
}

class Prompt {
  readonly #live: LiveScreen;
  readonly #shell: Shell;
  #server: REPLServer | undefined;
  #inputs = 0;
  /** Breaks off what runs now; undefined while the prompt waits. */
  #running: AbortController | undefined;
  #saidRefreshError = "";
  /** A file of the consfig was saved while something ran. */
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
    const aside = { begin: () => this.#live.pause(), end: () => this.#live.resume() };
    session.ask = terminalAsker(this.keyboard, this.output, aside);
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
      // Keys that were pressed meanwhile come first.
      setTimeout(() => {
        (require("../lib/source/compiler.js") as typeof import("../lib/source/compiler.js")).warmUp();
        void warmUpView();
      }, WARM_UP_AFTER_MS);
    }, WARM_UP_AFTER_MS);
    await new Promise((resolve) => server.once("exit", resolve));
    const left = this.#shell.deployments().flatMap(({ hosts }) => hosts);
    if (left.length > 0)
      this.output.write(
        `not over on ${left.join(", ")}: what runs through an agent goes on there, and .log tells later what it came to\n`,
      );
    clearTimeout(warm);
    await watch?.close();
    session.ask = undefined;
    this.#shell.end();
    this.keyboard.close();
  }

  /** Errors that nobody waited for end nothing. */
  readonly sayAside = (error: unknown): void => this.#shell.sayError(error);

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
        void this.#evaluate(text).then((unfinished) => done(unfinished ?? null, undefined)),
      domain: Object.assign(new EventEmitter(), { bind: (act: unknown) => act }), // a real one would slow every promise
    };
    const server = repl.start(options);
    this.#installCommands(server);
    this.#installInterrupts(server);
    server.setupHistory(historyFile(), () => {});
    return server;
  }

  /** Node's REPL looks up what follows a dot in a table: it gets one in which everything is. */
  #installCommands(server: REPLServer): void {
    const table = new Proxy(server.commands as Record<string, unknown>, {
      get: (own, name) => {
        if (typeof name !== "string" || KEPT.has(name)) return own[name as string];
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

  /** Gives what Node's REPL takes as "more lines are needed". */
  async #evaluate(text: string): Promise<Error | undefined> {
    if (!text.trim()) return undefined;
    let unfinished: Error | undefined;
    await this.#guarded(async (signal) => {
      const { workspace } = this.#shell;
      this.#refresh();
      const file = `prompt://${this.#inputs + 1}`;
      const statements = compiled();
      if (!statements) return;
      this.#inputs += 1;
      const signalling = <T>(act: () => T): T => this.keyboard.signalling(act);
      const value = await this.#shell.run(statements, { signal, signalling, attended: true });
      workspace.scope.last = value;
      this.#shell.transcript.push(text.trim());
      this.#shell.say(this.#shell.shown(value) ?? "");

      function compiled() {
        try {
          return workspace.compile(text, file);
        } catch (error) {
          if (!(error instanceof Unfinished)) throw error;
          unfinished = new repl.Recoverable(error);
          return undefined;
        }
      }
    });
    return unfinished;
  }

  /** A broken consfig is said once; what was loaded before stays in use. */
  #refresh(): void {
    this.#live.said = "";
    try {
      this.#shell.refresh();
      this.#saidRefreshError = "";
    } catch (error) {
      const text = String(error);
      if (text !== this.#saidRefreshError) {
        this.#shell.sayError(error);
        this.#shell.say(colour.dim("the consfig is used as it was before"));
        this.#live.said = (error as Error).message;
      }
      this.#saidRefreshError = text;
    }
  }

  /** Agents that are connected get what was saved, so that the next deployment need not wait for it. */
  #pushAhead(): void {
    this.#saved = true;
    if (this.#running) return; // what runs goes on with the consfig that it began with
    this.#saved = false;
    this.#shell.workspace.refreshAhead();
    pushSources().catch(() => {}); // a deployment sends what is missing, and says what is wrong
  }

  /** Runs `act` with the keyboard held; Ctrl-C breaks it off. Whatever it throws is shown. */
  async #guarded(act: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const controller = new AbortController();
    this.#running = controller;
    this.keyboard.hold(() => this.#interrupt(controller));
    try {
      await act(controller.signal);
    } catch (error) {
      if (!(error instanceof Interrupted)) this.#shell.workspace.scope.lastError = error;
      this.#shell.sayError(error);
    } finally {
      this.#running = undefined;
      if (this.#saved) setImmediate(() => this.#pushAhead());
      setImmediate(() => this.keyboard.release());
    }
  }

  /** First the prompt comes back, and deployments end after their running step. */
  #interrupt(controller: AbortController): void {
    const deployments = this.#shell.deployments();
    this.#live.detach();
    for (const deployment of deployments) deployment.stop();
    if (deployments.length > 0)
      this.#shell.say(colour.yellow("stopping after the running step; Ctrl-C again to cancel that too"));
    controller.abort();
  }

  /** Ctrl-C while the prompt waits: cancels what still runs in the background, or does what Node's REPL does. */
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

  /** What is written while the prompt waits stands above it. */
  #write(text: string): void {
    const server = this.#running ? undefined : this.#server;
    this.output.write(server ? `\r\u001b[J${text}` : text);
    if (server && !this.#shell.ended) server.displayPrompt(true);
  }
}

const MOST_GREETED = 5;

/** For whoever opens the prompt: what there is, and how to go on. `names`: of hosts, of which there are `count`. */
function greeting(names: readonly string[], count: number): string {
  const first = names.includes("sandbox") ? "sandbox" : names[0];
  const some = names.slice(0, MOST_GREETED);
  const shown = count > some.length ? [...some, "… (.hosts)"] : some;
  const said =
    count === 0
      ? "no host is defined yet: hosts/*.ts export them"
      : `${count} ${count === 1 ? "host" : "hosts"}: ${shown.join(", ")}${first ? `; try deploy(${first})` : ""}`;
  return fitted(`${said}. Tab completes, .help tells more.`)
    .map((line) => colour.dim(line))
    .join("\n");
}

/** The compiler and ink are loaded once the prompt is on the screen. */
const WARM_UP_AFTER_MS = 50;

/** Of Node's own dot-commands, those that are about typing. */
const KEPT = new Set(["break", "editor"]);

/** `$XDG_STATE_HOME/consfigurator/history`, for its owner only. */
function historyFile(): string {
  const state = process.env["XDG_STATE_HOME"] || path.join(os.homedir(), ".local", "state");
  const file = path.join(state, "consfigurator", "history");
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.closeSync(fs.openSync(file, "a", 0o600));
    fs.chmodSync(file, 0o600);
    return file;
  } catch {
    return ""; // no history, then
  }
}
