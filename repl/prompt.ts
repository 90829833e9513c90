import { EventEmitter } from "node:events";
import repl, { type REPLServer, type ReplOptions } from "node:repl";
import type { ReadStream, WriteStream } from "node:tty";
import { pushSources } from "../lib/controller/push";
import { type AnyDeployment, session } from "../lib/controller/session";
import { hosts } from "../lib/model/host";
import { stopsPlan } from "../lib/model/plan";
import { warmUp as warmUpSources } from "../lib/source/register";
import type { Watch } from "../lib/source/watch";
import { compilerIsRunning } from "../lib/util/compiler-process";
import { colour } from "./_colour";
import { greeting } from "./_greeting";
import { keepHistory } from "./_history";
import { IncompleteInput, warmUp as warmUpLanguage } from "./_language";
import { DO_NOT_MARK_PASTES, MARK_PASTES } from "./_paste";
import { suspendAsJob } from "./_suspend";
import { terminalAsker } from "./asker";
import { offerChoices } from "./choices";
import { commandMeant, runCommand } from "./commands";
import { hostNames } from "./commands/_host";
import { completer } from "./complete";
import { Interrupted } from "./evaluate";
import { Interrupter } from "./interrupter";
import { Keyboard } from "./keyboard";
import { pasteInto } from "./paste";
import { playFile } from "./playbook";
import { Shell } from "./shell";
import { Terminal } from "./terminal";
import { LiveScreen, warmUp as warmUpView } from "./views/live";
import type { Workspace } from "./workspace";

export interface PromptOptions {
  /** False: do not check types in the background after a save. */
  readonly check?: boolean;
}

/** Opens the prompt at a terminal. Resolves when the user leaves, or SIGTERM ends the session: to true then. */
export async function openPrompt(
  workspace: Workspace,
  input: ReadStream,
  output: WriteStream,
  { check = true }: PromptOptions = {},
): Promise<boolean> {
  const prompt = new Prompt(workspace, new Keyboard(input), output, check);
  process.on("uncaughtException", prompt.printUnhandled);
  process.on("unhandledRejection", prompt.printUnhandled);
  output.write(MARK_PASTES);
  try {
    return await prompt.run();
  } finally {
    output.write(DO_NOT_MARK_PASTES);
    process.off("uncaughtException", prompt.printUnhandled);
    process.off("unhandledRejection", prompt.printUnhandled);
  }
}

class Prompt {
  readonly #live: LiveScreen;
  readonly #interrupter: Interrupter;
  readonly #shell: Shell;
  readonly #terminal: Terminal;
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
    this.#interrupter = new Interrupter((keys) => keyboard.receive(keys));
    this.#live = new LiveScreen(output, out, true);
    this.#shell = new Shell(workspace, out, (silent) => (silent ? undefined : this.#live.view()));
    this.#shell.diagnostics.background = check;
    const terminal = new Terminal(keyboard, output, this.#live);
    this.#terminal = terminal;
    this.#shell.terminal = terminal;
    this.#shell.commandMeant = commandMeant;
    this.#shell.offerChoices = (signal) => offerChoices(this.#shell, terminal, signal);
  }

  async run(): Promise<boolean> {
    session.ask = terminalAsker(this.keyboard, this.output, this.#terminal);
    session.applyingHere = () => this.#interrupter.hold();
    // As .exit: what runs through an agent continues.
    let terminate = () => {};
    const terminated = new Promise<true>((resolve) => {
      terminate = () => resolve(true);
    });
    // Not once: ink ends the process when it finds no other listener.
    process.on("SIGTERM", terminate);
    this.#refresh();
    this.output.write(`${greeting(hostNames({ shell: this.#shell }), hosts.values().length)}\n`);
    const server = this.#start();
    this.#server = server;
    let watch: Watch | undefined;
    const warm = setTimeout(() => {
      warmUpCompilers();
      // It ends when it has not been used for a while. Whoever types is about to need it.
      this.keyboard.on("keypress", warmUpCompilers);
      watch = session.consfig?.watch(() => {
        this.#pushAhead();
        this.#shell.diagnostics.saved();
      });
      // Handle keys pressed meanwhile first.
      setTimeout(() => void warmUpView(), WARM_UP_AFTER_MS);
    }, WARM_UP_AFTER_MS);
    const left = new Promise<false>((resolve) => server.once("exit", () => resolve(false)));
    const wasTerminated = await Promise.race([left, terminated]);
    if (wasTerminated) this.#live.detach();
    this.#terminal.uncover();
    // Deployments that end from now on are printed without a prompt.
    this.#server = undefined;
    const running = this.#shell.deployments().flatMap(({ hosts }) => hosts);
    if (running.length > 0)
      this.output.write(
        `still running on ${running.join(", ")}; see .log ${running.length === 1 ? running[0] : "HOST"}\n`,
      );
    process.off("SIGTERM", terminate);
    clearTimeout(warm);
    await watch?.close();
    session.ask = undefined;
    session.applyingHere = undefined;
    this.#shell.end();
    this.keyboard.close();
    return wasTerminated;
  }

  /** Prints an uncaught error or unhandled rejection; the session continues. */
  readonly printUnhandled = (error: unknown): void => {
    if (!stopsPlan(error)) this.#shell.printError(error);
  };

  #start(): REPLServer {
    const options: ReplOptions & { domain: object; historySize: number } = {
      prompt: `${colour.cyan("consfig")}${colour.dim(">")} `,
      input: this.keyboard,
      output: this.output,
      terminal: true,
      useColors: colour.level > 0,
      useGlobal: true,
      preview: false,
      ignoreUndefined: true,
      completer: completer(this.#shell),
      historySize: HISTORY_SIZE,
      eval: (text, _context, _file, done) =>
        void this.#evaluate(text).then((incomplete) => done(incomplete ?? null, undefined)),
      domain: Object.assign(new EventEmitter(), { bind: (act: unknown) => act }), // a real one slows every promise
    };
    const server = repl.start(options);
    this.#installCommands(server);
    this.#installInterrupts(server);
    suspendAsJob(server, this.keyboard, this.output);
    this.keyboard.paste = pasteInto(server);
    keepHistory(server, HISTORY_SIZE);
    return server;
  }

  /** Node's REPL looks up dot-commands in a table: this one has an entry for every name. */
  #installCommands(server: REPLServer): void {
    const table = new Proxy(server.commands as Record<string, unknown>, {
      get: (own, name) => {
        if (typeof name !== "string" || NODE_COMMANDS.has(name)) return own[name as string];
        return {
          action: (argument: string) =>
            void this.#command(name, argument).then(() => this.#shell.ended || server.displayPrompt()),
        };
      },
    });
    Object.defineProperty(server, "commands", { value: table });
  }

  async #command(name: string, argument: string): Promise<void> {
    const play = (file: string) => playFile(file, this.#shell);
    await this.#guarded(async (signal) => {
      await runCommand(name, argument, { shell: this.#shell, play, signal });
      if (name === "load" && this.#shell.reports.every(({ ok }) => ok))
        this.#shell.transcript.push(`.load ${argument}`);
    });
    if (this.#shell.ended) this.#server?.close();
  }

  /** Evaluates an input. Returns the error by which Node's REPL asks for more lines, if the input is incomplete. */
  async #evaluate(typed: string): Promise<Error | undefined> {
    // In an input of several lines, Node's REPL separates them with carriage returns.
    const text = typed.replaceAll(/\r\n?/g, "\n");
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
      this.#shell.remember(text.trim());
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
    const watches = [...session.watches].filter(({ silent, stopped }) => !silent && !stopped);
    if (watches.length > 0) {
      this.#interrupter.taken();
      for (const watch of watches) watch.stop();
      return;
    }
    const deployments = this.#shell.deployments();
    if (controller.signal.aborted) return this.#cancel(deployments);
    this.#interrupter.taken();
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
      this.#cancel(deployments);
    });
  }

  #cancel(deployments: readonly AnyDeployment[]): void {
    this.#interrupter.taken();
    for (const deployment of deployments) deployment.cancel();
    if (deployments.length > 0) this.#write(`${colour.yellow("cancelling the running step")}\n`);
  }

  /** Writes above the prompt while it is idle. */
  #write(text: string): void {
    if (this.#terminal.holds(text)) return;
    const server = this.#running ? undefined : this.#server;
    this.output.write(server ? `\r\u001b[J${text}` : text);
    if (server && !this.#shell.ended) server.displayPrompt(true);
  }
}

/** Starts the compiler's process unless it runs, without blocking. */
function warmUpCompilers(): void {
  if (compilerIsRunning()) return;
  void warmUpLanguage();
  void warmUpSources();
}

/** The inputs that the history keeps, over all sessions. */
const HISTORY_SIZE = 10_000;

/** The compiler and ink are loaded after the prompt is on the screen. */
const WARM_UP_AFTER_MS = 50;

/** The dot-commands of Node's REPL that are kept: those for typing several lines. */
const NODE_COMMANDS = new Set(["break", "editor"]);
