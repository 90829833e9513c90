import { randomBytes } from "node:crypto";
import { constants } from "node:os";
import { PassThrough, type Readable } from "node:stream";
import type { Channel, Connection, ExecOptions } from "../model/connection";
import { type CommandResult, ConnectionFailed } from "../model/errors";
import { shellQuote } from "../util/shell-quote";
import type { CommandWrapper, Prompt } from "./_command-wrapper";
import { RunningCommands, within } from "./_running-commands";
import { StderrMarkers } from "./_stderr-markers";
import { drained, holdOutput } from "./_streams";

/**
 * A connection that runs each command over `parent` through `wrapper`. Each command prints a marker when it starts: so a
 * wrapper that fails is not mistaken for a failed command, the wrapper's own messages are not taken for output, no input
 * is sent too early, and the command can be killed from inside, where a signal to the wrapper would not reach it or is
 * not permitted.
 */
export const wrapConnection = (parent: Connection, hop: string, wrapper: CommandWrapper): Connection =>
  new WrappedConnection(parent, hop, wrapper);

/** Time for a signal to be sent inside, and then for the wrapper to exit, before the wrapper gets the signal itself. */
const KILL_TIMEOUT_MS = 5000;

/** Messages of wrappers are recognised in English. Commands of a target set their own locale. */
const ENGLISH = "LC_ALL=C; export LC_ALL; ";
/** Time for a wrapper to start its command, not counting the answers to its prompt. */
const START_TIMEOUT_MS = 60_000;

/** A command that has started: its own outputs, and the number of its process group. */
interface StartedCommand {
  readonly channel: Channel;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly group: string;
}

class WrappedConnection implements Connection {
  readonly closed: Promise<Error | undefined>;
  readonly #ending = Promise.withResolvers<Error | undefined>();
  readonly #running = new RunningCommands();
  #ended = false;
  #closing: Promise<void> | undefined;

  constructor(
    private readonly parent: Connection,
    private readonly hop: string,
    private readonly wrapper: CommandWrapper,
  ) {
    this.closed = Promise.race([parent.closed, this.#ending.promise]);
  }

  get description(): string {
    return `${this.parent.description}, ${this.hop}`;
  }

  get local(): boolean {
    return this.parent.local === true && !this.wrapper.otherFiles;
  }

  get locked(): boolean {
    return this.parent.locked === true && !this.wrapper.otherFiles;
  }

  get alive(): boolean {
    return !this.#ended && this.parent.alive;
  }

  async exec(command: string, options?: ExecOptions): Promise<Channel> {
    if (this.#ended) throw new ConnectionFailed(this.hop, "the connection was closed");
    const { hidesSignals, ownGroup } = this.wrapper;
    if (hidesSignals) return this.#execReportingExit(command, options);
    const started = await this.#start(ownGroup ? inOwnGroup : asIs, command, options);
    return this.#track(started, started.stderr, (code) => code);
  }

  /** Runs `command` beside a shell that reports its exit code. */
  async #execReportingExit(command: string, options: ExecOptions | undefined): Promise<Channel> {
    const markers = new StderrMarkers();
    let reported: number | undefined;
    const started = await this.#start((script) => reportingExit(script, markers), command, options);
    const stderr = markers.filter(started.stderr, (text) => {
      reported = Number(text);
    });
    return this.#track(started, stderr, (code, killed) => {
      if (reported !== undefined) return reported;
      if (killed !== undefined) return 128 + constants.signals[killed];
      if (code !== 0) return code;
      throw new ConnectionFailed(this.hop, "the command ended without an exit code: its shell was killed");
    });
  }

  #track(
    { channel, stdout, group }: StartedCommand,
    stderr: Readable,
    exitCode: (code: number, killed: NodeJS.Signals | undefined) => number,
  ): Channel {
    let killed: NodeJS.Signals | undefined;
    const exit = channel.exit.then(async (code) => {
      // The command may end before the caller of `exec` has its streams.
      await new Promise((turn) => setImmediate(turn));
      await Promise.all([drained(stdout), drained(stderr)]);
      return exitCode(code, killed);
    });
    exit.catch(() => {});
    const kill = (signal: NodeJS.Signals = "SIGTERM") => {
      killed = signal;
      return this.#kill(channel, group, signal);
    };
    return this.#running.add({ stdin: channel.stdin, stdout, stderr, exit, kill });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Also after a wrapper has failed: what the hop keeps is still there. */
  async #close(): Promise<void> {
    this.#end(undefined);
    await this.#running.end();
    await this.wrapper.close?.();
  }

  #end(reason: Error | undefined): void {
    this.#ended = true;
    this.#ending.resolve(reason);
  }

  /** Starts `command` inside `frame`, and waits for its start marker. */
  async #start(
    frame: (script: string) => string,
    command: string,
    options?: ExecOptions,
  ): Promise<StartedCommand> {
    const { atHome, prompt } = this.wrapper;
    const marker = randomBytes(12).toString("hex");
    const home = atHome ? "cd 2>/dev/null || cd /; unset OLDPWD\n" : "";
    const channel = await this.parent.exec(
      ENGLISH + this.wrapper.command(home + frame(`${printGroup(marker)}\n${command}`)),
      // The answer to a prompt must not go to another program.
      { ...options, startsAtOnce: options?.startsAtOnce === true && !prompt },
    );
    // Ignore EPIPE: a wrapper may exit without reading its input.
    channel.stdin.on("error", () => {});
    // Node discards the unread output of a process that has exited.
    const stdout = holdOutput(channel.stdout);
    const start = new StartMarkerReader(channel, marker, prompt);
    const group = await start.group;
    if (group !== undefined) return { channel, stdout: stdout(), stderr: start.stderr, group };
    channel.stdin.end();
    if (start.late) {
      channel.kill("SIGKILL");
      const last = start.wrapperOutput.trim().split("\n").at(-1);
      throw new ConnectionFailed(
        this.hop,
        `\`${shownWrapper(this.wrapper)}\` has not started our command within ${START_TIMEOUT_MS / 1000} s, and printed${last ? `: ${last}` : " nothing"}; check what it runs first, such as a login shell and its startup files`,
      );
    }
    const exit = await channel.exit;
    const failure = wrapperFailure(this.hop, this.wrapper, {
      exit,
      stdout: "",
      stderr: start.wrapperOutput,
    });
    if (this.parent.alive) this.#end(failure);
    throw failure;
  }

  async #kill(channel: Channel, group: string, signal: NodeJS.Signals): Promise<void> {
    // Without a number inside, the group's leader is a process of the parent hop, which the same signal reaches there.
    const sent =
      Number(group) > 1 && (await within(KILL_TIMEOUT_MS, this.#killGroup(group, signal)).catch(() => false));
    // A killed wrapper reports nothing reliable, so it gets time to notice that its command was killed.
    if (sent && (signal !== "SIGKILL" || (await within(KILL_TIMEOUT_MS, ended(channel))))) return;
    if (!(await Promise.race([ended(channel), Promise.resolve(false)]))) channel.kill(signal);
  }

  async #killGroup(group: string, signal: NodeJS.Signals): Promise<boolean> {
    const { channel, stdout, stderr } = await this.#start(asIs, `kill -s ${signal.slice(3)} -- -${group}`);
    channel.stdin.end();
    stdout.resume();
    stderr.resume();
    return (await channel.exit) === 0;
  }
}

const ended = (channel: Channel): Promise<true> =>
  channel.exit.then(
    () => true,
    () => true,
  );

/**
 * Shell text that prints the start marker with the command's process group on stderr, from a subshell, so that it sets
 * no variables. Its last byte must not be one that begins a marker of an ssh connection, which would wait for the rest.
 */
const printGroup = (marker: string): string => `printf '\\036${marker} %s\\037' "$(${GROUP})" >&2`;

/** Shell text that prints the number of the shell's process group; nothing where it cannot be determined. */
const GROUP = '{ read -r _ _ _ _ g _ </proc/self/stat; } 2>/dev/null && echo "$g"';

const asIs = (script: string): string => script;

/** Shell text that runs `script` in its own process group, without an additional process. */
const inOwnGroup = (script: string): string =>
  `set -- /bin/sh -c ${shellQuote(script)}
case $(${GROUP}) in ""|$$) ;; *) command -v setsid >/dev/null && exec setsid "$@" ;; esac
exec "$@"`;

/** Shell text that runs `script`, and reports its exit code from a shell outside its process group. */
const reportingExit = (script: string, markers: StderrMarkers): string =>
  `set --; command -v setsid >/dev/null && set -- setsid
trap : HUP INT TERM
"$@" /bin/sh -c ${shellQuote(script)}
c=$?; ${markers.print('"$c"')} >&2; exit "$c"`;

/** Splits stderr at the start marker: the wrapper's output before it, the command's own after it. */
class StartMarkerReader {
  /** The command's own stderr. */
  readonly stderr = new PassThrough();
  wrapperOutput = "";
  /** True when the command has not started in time. */
  late = false;
  /** The process group of the command; undefined when it did not start. */
  readonly group: Promise<string | undefined>;
  #answered = 0;
  #timer: NodeJS.Timeout | undefined;
  #giveUp: () => void = () => {};

  constructor(
    private readonly channel: Channel,
    marker: string,
    private readonly prompt: Prompt | undefined,
  ) {
    const startMarker = new RegExp(`\\x1e${marker} (\\d*)\\x1f`);
    this.group = new Promise((resolve) => {
      this.#giveUp = () => {
        this.late = true;
        resolve(undefined);
      };
      this.#wait();
      let held = "";
      const onData = (chunk: Buffer) => {
        held += chunk.toString("latin1");
        const found = startMarker.exec(held);
        this.wrapperOutput = Buffer.from(found ? held.slice(0, found.index) : held, "latin1").toString(
          "utf8",
        );
        if (!found) return this.#answerPrompt();
        clearTimeout(this.#timer);
        channel.stderr.off("data", onData);
        this.stderr.write(Buffer.from(held.slice(found.index + found[0].length), "latin1"));
        channel.stderr.pipe(this.stderr);
        resolve(found[1] ?? "");
      };
      channel.stderr.on("data", onData);
      const onEnd = () => {
        clearTimeout(this.#timer);
        if (!startMarker.test(held)) this.stderr.end();
        resolve(undefined);
      };
      channel.stderr.once("end", onEnd);
      channel.exit.then(onEnd, onEnd);
    });
  }

  #answerPrompt(): void {
    if (!this.prompt) return;
    if (this.prompt.hopeless?.test(this.wrapperOutput)) {
      this.channel.stdin.end();
      return;
    }
    const times = this.wrapperOutput.split(this.prompt.sign).length - 1;
    if (times <= this.#answered) return;
    this.#answered = times;
    clearTimeout(this.#timer);
    void this.prompt
      .answer(times)
      .then(
        (line) => (line === undefined ? this.channel.stdin.end() : this.channel.stdin.write(`${line}\n`)),
        () => this.channel.stdin.end(),
      )
      .then(() => this.#wait());
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#giveUp, START_TIMEOUT_MS);
    this.#timer.unref();
  }
}

/** The failure of a wrapper that did not start its command: the wrapper, its last line of output, and the remedy. */
export function wrapperFailure(
  hop: string,
  wrapper: CommandWrapper,
  { stdout, stderr, exit }: CommandResult,
): ConnectionFailed {
  const printed = [stderr, stdout]
    .map((output) =>
      output
        .split(wrapper.prompt?.sign ?? "\0")
        .join("")
        .trim(),
    )
    .find((output) => output !== "");
  const reason = printed?.split("\n").at(-1)?.trim() ?? `exited with code ${exit}`;
  const advice = wrapper.remedy?.(stderr + stdout);
  return new ConnectionFailed(hop, `\`${shownWrapper(wrapper)}\`: ${reason}${advice ? `; ${advice}` : ""}`);
}

const MAX_SHOWN = 160;

function shownWrapper({ command, shown }: CommandWrapper): string {
  const all =
    shown ??
    command("…")
      .replace(/^exec /, "")
      .replaceAll("'…'", "…");
  return all.length > MAX_SHOWN ? `${all.slice(0, MAX_SHOWN)}…` : all;
}
