import { randomBytes } from "node:crypto";
import { constants } from "node:os";
import { PassThrough, type Readable } from "node:stream";
import type { Channel, Connection } from "../model/connection";
import { type CommandResult, ConnectionFailed } from "../model/errors";
import { shellQuote } from "../util/shell-quote";
import { drained, outputHeld } from "./_drained";
import { StderrMarkers } from "./_marks";
import type { CommandWrapper, Prompt } from "./_passage";
import { Running, within } from "./_running";

/**
 * A connection whose commands go over `parent` by `way`. Each tells when it has begun. So one that does not is never
 * taken for a command that failed; whatever the way says before is not the command's output; nothing of its input is
 * sent before; and it can be ended from inside, where a signal to the way would not reach it, or not be allowed.
 */
export const inside = (parent: Connection, hop: string, passage: CommandWrapper): Connection =>
  new WrappedConnection(parent, hop, passage);

/** How long a passage may take for a signal to what is inside, and then for its end, before it gets the signal itself. */
const START_TIMEOUT_MS = 5000;

/** A command that has begun: its own outputs, and the number of its process group. */
interface Begun {
  readonly channel: Channel;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly group: string;
}

class WrappedConnection implements Connection {
  readonly closed: Promise<Error | undefined>;
  readonly #over = Promise.withResolvers<Error | undefined>();
  readonly #running = new Running();
  #ended = false;

  constructor(
    private readonly parent: Connection,
    private readonly hop: string,
    private readonly passage: CommandWrapper,
  ) {
    this.closed = Promise.race([parent.closed, this.#over.promise]);
  }

  get description(): string {
    return `${this.parent.description}, ${this.hop}`;
  }

  get local(): boolean {
    return this.parent.local === true && !this.passage.otherFiles;
  }

  get alive(): boolean {
    return !this.#ended && this.parent.alive;
  }

  async exec(command: string): Promise<Channel> {
    if (this.#ended) throw new ConnectionFailed(this.hop, "the connection was closed");
    const { hidesSignals, ownGroup } = this.passage;
    if (hidesSignals) return this.#telling(command);
    const begun = await this.#begin(ownGroup ? inOwnGroup : itself, command);
    return this.#known(begun, begun.stderr, (code) => code);
  }

  /** `command`, whose exit code a shell beside it tells. */
  async #telling(command: string): Promise<Channel> {
    const marks = new StderrMarkers();
    let told: number | undefined;
    const begun = await this.#begin((begin) => tellingExit(begin, marks), command);
    const stderr = marks.filter(begun.stderr, (text) => {
      told = Number(text);
    });
    return this.#known(begun, stderr, (code, killed) => {
      if (told !== undefined) return told;
      if (killed !== undefined) return 128 + constants.signals[killed];
      if (code !== 0) return code;
      throw new ConnectionFailed(this.hop, "a command ended without an exit code: its shell was killed");
    });
  }

  #known(
    { channel, stdout, group }: Begun,
    stderr: Readable,
    outcome: (code: number, killed: NodeJS.Signals | undefined) => number,
  ): Channel {
    let killed: NodeJS.Signals | undefined;
    const exit = channel.exit.then(async (code) => {
      // A command may be over before whoever asked for it has its streams.
      await new Promise((turn) => setImmediate(turn));
      await Promise.all([drained(stdout), drained(stderr)]);
      return outcome(code, killed);
    });
    exit.catch(() => {});
    const kill = (signal: NodeJS.Signals = "SIGTERM") => {
      killed = signal;
      void this.#kill(channel, group, signal);
    };
    return this.#running.add({ stdin: channel.stdin, stdout, stderr, exit, kill });
  }

  async close(): Promise<void> {
    if (!this.#ended) {
      this.#end(undefined);
      await this.#running.end();
      await this.passage.close?.();
    }
  }

  #end(why: Error | undefined): void {
    this.#ended = true;
    this.#over.resolve(why);
  }

  /** Starts `command` in `frame`, and waits until it has begun. */
  async #begin(frame: (begin: string) => string, command: string): Promise<Begun> {
    const { atHome, prompt } = this.passage;
    const mark = randomBytes(12).toString("hex");
    const home = atHome ? "cd 2>/dev/null || cd /; unset OLDPWD\n" : "";
    const channel = await this.parent.exec(this.passage.command(home + frame(`${tell(mark)}\n${command}`)));
    // A way that ends without reading its input must not end us.
    channel.stdin.on("error", () => {});
    // Of a process that has ended, Node throws away what nobody reads yet.
    const stdout = outputHeld(channel.stdout);
    const beginning = new Beginning(channel, mark, prompt);
    const group = await beginning.group;
    if (group !== undefined) return { channel, stdout: stdout(), stderr: beginning.stderr, group };
    channel.stdin.end();
    const exit = await channel.exit;
    const failure = notInside(this.hop, this.passage, { exit, stdout: "", stderr: beginning.said });
    if (this.parent.alive) this.#end(failure);
    throw failure;
  }

  async #kill(channel: Channel, group: string, signal: NodeJS.Signals): Promise<void> {
    // A group that has no number here is led by a process of the hop before, where the same signal finds it.
    const told =
      Number(group) > 1 &&
      (await within(START_TIMEOUT_MS, this.#killGroup(group, signal)).catch(() => false));
    // What the passage itself says when it is killed is not to be relied on, so it has time to hear that its command was.
    if (told && (signal !== "SIGKILL" || (await within(START_TIMEOUT_MS, ended(channel))))) return;
    if (!(await Promise.race([ended(channel), Promise.resolve(false)]))) channel.kill(signal);
  }

  async #killGroup(group: string, signal: NodeJS.Signals): Promise<boolean> {
    const { channel, stdout, stderr } = await this.#begin(itself, `kill -s ${signal.slice(3)} -- -${group}`);
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
 * Shell text that says the command's process group on stderr. Its variables are those of a shell of its own. What ends
 * it begins no mark of an ssh connection, which would be waited for.
 */
const tell = (mark: string): string => `printf '\\036${mark} %s\\037' "$(${GROUP})" >&2`;

/** Shell text for the number of the shell's process group; nothing where that cannot be known. */
const GROUP = '{ read -r _ _ _ _ g _ </proc/self/stat; } 2>/dev/null && echo "$g"';

const itself = (command: string): string => command;

/** Shell text that runs `command` in a process group of its own, without one process more. */
const inOwnGroup = (command: string): string =>
  `set -- /bin/sh -c ${shellQuote(command)}
case $(${GROUP}) in ""|$$) ;; *) command -v setsid >/dev/null && exec setsid "$@" ;; esac
exec "$@"`;

/** Shell text by which a shell outside of the command's process group tells its exit code, and ends with it. */
const tellingExit = (command: string, marks: StderrMarkers): string =>
  `set --; command -v setsid >/dev/null && set -- setsid
trap : HUP INT TERM
"$@" /bin/sh -c ${shellQuote(command)}
c=$?; ${marks.say('"$c"')} >&2; exit "$c"`;

/** What is said on stderr until a command tells that it has begun, and its own stderr from then on. */
class Beginning {
  readonly stderr = new PassThrough();
  /** What the way said before. */
  said = "";
  /** The process group of the command; undefined when it did not begin. */
  readonly group: Promise<string | undefined>;
  #asked = 0;

  constructor(
    private readonly channel: Channel,
    mark: string,
    private readonly prompt: Prompt | undefined,
  ) {
    const told = new RegExp(`\\x1e${mark} (\\d*)\\x1f`);
    this.group = new Promise((resolve) => {
      let held = "";
      const hear = (chunk: Buffer) => {
        held += chunk.toString("latin1");
        const found = told.exec(held);
        this.said = Buffer.from(found ? held.slice(0, found.index) : held, "latin1").toString("utf8");
        if (!found) return this.#hearPrompt();
        channel.stderr.off("data", hear);
        this.stderr.write(Buffer.from(held.slice(found.index + found[0].length), "latin1"));
        channel.stderr.pipe(this.stderr);
        resolve(found[1] ?? "");
      };
      channel.stderr.on("data", hear);
      const over = () => {
        if (!told.test(held)) this.stderr.end();
        resolve(undefined);
      };
      channel.stderr.once("end", over);
      channel.exit.then(over, over);
    });
  }

  #hearPrompt(): void {
    if (!this.prompt) return;
    const times = this.said.split(this.prompt.sign).length - 1;
    if (times <= this.#asked) return;
    this.#asked = times;
    void this.prompt.answer(times).then(
      (line) => (line === undefined ? this.channel.stdin.end() : this.channel.stdin.write(`${line}\n`)),
      () => this.channel.stdin.end(),
    );
  }
}

/** The failure of a way that did not lead in: what was run, what was said to it, and what to do. */
export function notInside(
  hop: string,
  passage: CommandWrapper,
  { stdout, stderr, exit }: CommandResult,
): ConnectionFailed {
  const said = [stderr, stdout]
    .map((output) =>
      output
        .split(passage.prompt?.sign ?? "\0")
        .join("")
        .trim(),
    )
    .find((output) => output !== "");
  const words = said?.split("\n").at(-1)?.trim() ?? `it ended with exit code ${exit}`;
  const advice = passage.remedy?.(stderr + stdout);
  return new ConnectionFailed(hop, `\`${shownPassage(passage)}\`: ${words}${advice ? `; ${advice}` : ""}`);
}

const MOST_SHOWN = 160;

function shownPassage({ command, shown }: CommandWrapper): string {
  const all =
    shown ??
    command("…")
      .replace(/^exec /, "")
      .replaceAll("'…'", "…");
  return all.length > MOST_SHOWN ? `${all.slice(0, MOST_SHOWN)}…` : all;
}
