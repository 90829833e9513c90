import { randomBytes } from "node:crypto";
import { constants } from "node:os";
import { PassThrough, type Readable } from "node:stream";
import { shellQuote } from "../_quote";
import { type CommandResult, ConnectionFailed } from "../errors";
import { drained } from "./_drained";
import type { Passage, Prompt } from "./_passage";
import type { Channel, Connection } from "./connection";

/**
 * A connection whose commands go over `parent` by `way`. Each tells when it has begun. So one that does not is never
 * taken for a command that failed; whatever the way says before is not the command's output; nothing of its input is
 * sent before; and it can be ended from inside, where a signal to the way would not reach it, or not be allowed.
 */
export const inside = (parent: Connection, hop: string, passage: Passage): Connection =>
  new Inside(parent, hop, passage);

/** How long commands may take to end when the hop is closed, or when they were ended from inside. */
const PATIENCE_MS = 1000;

class Inside implements Connection {
  readonly closed: Promise<Error | undefined>;
  readonly #over = Promise.withResolvers<Error | undefined>();
  readonly #running = new Set<Channel>();
  #ended = false;

  constructor(
    private readonly parent: Connection,
    private readonly hop: string,
    private readonly passage: Passage,
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
    const { channel, stderr, group } = await this.#begin(command);
    let shot = false;
    const exit = channel.exit.then(async (code) => {
      await drained(stderr);
      return shot && this.passage.hidesSignals ? 128 + constants.signals.SIGKILL : code;
    });
    exit.catch(() => {});
    const begun: Channel = {
      stdin: channel.stdin,
      stdout: channel.stdout,
      stderr,
      exit,
      kill: (signal = "SIGTERM") => {
        shot ||= signal === "SIGKILL";
        void this.#kill(channel, group, signal);
      },
    };
    this.#running.add(begun);
    const over = () => this.#running.delete(begun);
    channel.exit.then(over, over);
    return begun;
  }

  async close(): Promise<void> {
    if (!this.#ended) {
      this.#end(undefined);
      const all = [...this.#running];
      for (const channel of all) channel.kill();
      await within(PATIENCE_MS, Promise.all(all.map(({ exit }) => exit.catch(() => {}))));
      for (const channel of this.#running) channel.kill("SIGKILL");
      await this.passage.close?.();
    }
  }

  #end(why: Error | undefined): void {
    this.#ended = true;
    this.#over.resolve(why);
  }

  /** Starts `command`, and waits until it has begun. */
  async #begin(command: string): Promise<{ channel: Channel; stderr: Readable; group: string }> {
    const { atHome, hidesSignals, prompt } = this.passage;
    const mark = randomBytes(12).toString("hex");
    const told = hidesSignals
      ? // Of a signal to all of the group this shell must be the one that is left to tell.
        `trap : HUP INT TERM\n/bin/sh -c ${shellQuote(command)}\nexit "$?"`
      : command;
    const home = atHome ? "cd 2>/dev/null || cd /; unset OLDPWD\n" : "";
    const channel = await this.parent.exec(this.passage.command(`${home}${tell(mark)}\n${told}`));
    // A way that ends without reading its input must not end us.
    channel.stdin.on("error", () => {});
    const beginning = new Beginning(channel, mark, prompt);
    const group = await beginning.group;
    if (group !== undefined) return { channel, stderr: beginning.stderr, group };
    channel.stdin.end();
    channel.stdout.resume();
    const exit = await channel.exit;
    const failure = notInside(this.hop, this.passage, { exit, stdout: "", stderr: beginning.said });
    if (this.parent.alive) this.#end(failure);
    throw failure;
  }

  async #kill(channel: Channel, group: string, signal: NodeJS.Signals): Promise<void> {
    // A group that has no number here is led by a process of the hop before, where the same signal finds it.
    if (Number(group) > 1)
      await within(PATIENCE_MS, this.#killGroup(group, signal, channel.exit)).catch(() => {});
    const over = channel.exit.then(
      () => true,
      () => true,
    );
    if (!(await Promise.race([over, Promise.resolve(false)]))) channel.kill(signal);
  }

  async #killGroup(group: string, signal: NodeJS.Signals, ended: Promise<unknown>): Promise<void> {
    const { channel, stderr } = await this.#begin(`kill -s ${signal.slice(3)} -- -${group}`);
    channel.stdin.end();
    channel.stdout.resume();
    stderr.resume();
    if ((await channel.exit) === 0) await ended;
  }
}

/** `promise`, or undefined when it takes longer than `ms`. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Shell text that says the command's process group on stderr. Its variables are those of a shell of its own. What ends
 * it begins no mark of an ssh connection, which would be waited for.
 */
const tell = (mark: string): string =>
  `printf '\\036${mark} %s\\037' "$({ read -r _ _ _ _ g _ </proc/self/stat; } 2>/dev/null && echo "$g")" >&2`;

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
  passage: Passage,
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

function shownPassage({ command, shown }: Passage): string {
  const all =
    shown ??
    command("…")
      .replace(/^exec /, "")
      .replaceAll("'…'", "…");
  return all.length > MOST_SHOWN ? `${all.slice(0, MOST_SHOWN)}…` : all;
}
