import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { shellQuote } from "../util/shell-quote";

/** Ends a mark. Not what begins one: behind a mark of another connection nothing may seem to begin. */
const END = 0x1f;

/**
 * What a command's shell tells us on stderr, between marks that nothing else contains.
 *
 * Its process ids, to send it signals: sshd takes none for root's commands. And, through the system's `ssh`, its exit
 * code: that `ssh` ends with 255 when the link fails, and also when the command does.
 */
export class StderrMarkers {
  readonly #mark = `\x1e${randomBytes(12).toString("hex")} `;
  readonly #markBytes = Buffer.from(this.#mark);

  /** A command that says `words`, shell text, on stdout. */
  say(words: string): string {
    return `printf '%s%s\\037' ${shellQuote(this.#mark)} ${words}`;
  }

  /** A frame for `loginCommand` by which the process ids are told at the start. */
  readonly telling = (run: string): string => `${this.#ids()}; exec ${run}`;

  /** As `telling`, and the exit code at the end. Signals that we send must leave this shell alive to tell. */
  readonly tellingExit = (run: string): string =>
    `trap : HUP INT TERM; ${this.#ids()}; ${run}; c=$?; ${this.say('"$c"')} >&2; exit "$c"`;

  #ids(): string {
    return `${this.say('"$$ $PPID"')} >&2`;
  }

  /** `source` without the marks. `onMark` gets the text of each. */
  filter(source: Readable, onMark: (text: string) => void): Readable {
    let held = Buffer.alloc(0);
    const output = new Readable({
      read: () => void source.resume(),
      destroy: (error, done) => {
        source.resume();
        done(error);
      },
    });
    const push = (chunk: Buffer) => {
      if (chunk.length > 0 && !output.destroyed && !output.push(chunk)) source.pause();
    };
    source.on("data", (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      for (;;) {
        const start = held.indexOf(this.#markBytes);
        const end = start < 0 ? -1 : held.indexOf(END, start + this.#markBytes.length);
        if (end < 0) break;
        push(held.subarray(0, start));
        onMark(held.toString("latin1", start + this.#markBytes.length, end));
        held = held.subarray(end + 1);
      }
      const keep = this.#unfinished(held);
      push(held.subarray(0, keep));
      held = held.subarray(keep);
    });
    source.once("end", () => {
      push(held);
      if (!output.destroyed) output.push(null);
    });
    return output;
  }

  /**
   * Shell text that sends `signal` to a command that told `ids`: its shell or the login shell above it leads the
   * process group of all it started. Above a shell that has ended stands sshd, which must not hear of it.
   */
  static kill(ids: string, signal: NodeJS.Signals): string {
    const [shell, parent] = ids.split(" ");
    const kill = `kill -s ${signal.replace(/^SIG/, "")}`;
    return `${kill} -- -${shell} 2>/dev/null || { kill -0 ${shell} && ${kill} -- -${parent}; } 2>/dev/null`;
  }

  /** Where the beginning of a mark may stand whose rest is still to come. */
  #unfinished(data: Buffer): number {
    for (let at = data.indexOf(0x1e); at >= 0; at = data.indexOf(0x1e, at + 1)) {
      const rest = data.subarray(at, at + this.#markBytes.length);
      if (this.#markBytes.subarray(0, rest.length).equals(rest)) return at;
    }
    return data.length;
  }
}
