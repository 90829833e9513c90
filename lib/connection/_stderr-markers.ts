import { randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { shellQuote } from "../util/shell-quote";

/** Ends a marker. Differs from the first byte, so that another connection's filter sees no marker begin here. */
const END = 0x1f;

/** The exit code of a command's shell, or of another one in its place, that did not find `GUARD` as expected. */
export const GUARD_EXIT = 113;

/**
 * The first line of the input of a command that needs its input. The command's shell takes it away; another shell in its
 * place ends with it, before it runs the command's input as commands.
 */
export const GUARD = `exit ${GUARD_EXIT}`;

/**
 * Reports of a command's shell on stderr, between unique markers: its process ids, since sshd delivers no signals to
 * root's commands; and, through the system's `ssh`, its exit code, since `ssh` exits with 255 both when the connection
 * fails and when the command exits with 255.
 */
export class StderrMarkers {
  readonly #start = `\x1e${randomBytes(12).toString("hex")} `;
  readonly #startBytes = Buffer.from(this.#start);

  /** Shell text that prints `words` between markers on stdout. */
  print(words: string): string {
    return `printf '%s%s\\037' ${shellQuote(this.#start)} ${words}`;
  }

  /** A frame for `loginCommand` that reports the process ids at the start; `guarded`: after it has read `GUARD`. */
  readonly reportingIds =
    (guarded: boolean) =>
    (run: string): string =>
      `${this.#begin(guarded)}; exec ${run}`;

  /** Like `reportingIds`, plus the exit code at the end. The trap keeps this shell alive through the signals we send. */
  readonly reportingExit =
    (guarded: boolean) =>
    (run: string): string =>
      `trap : HUP INT TERM; ${this.#begin(guarded)}; ${run}; c=$?; ${this.print('"$c"')} >&2; exit "$c"`;

  #begin(guarded: boolean): string {
    const guard = `IFS= read -r l && [ "$l" = "${GUARD}" ] || exit ${GUARD_EXIT}; unset l; `;
    return `${guarded ? guard : ""}${this.print('"$$ $PPID"')} >&2`;
  }

  /** `source` without the markers. Calls `onMarker` with the text of each. */
  filter(source: Readable, onMarker: (text: string) => void): Readable {
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
        const start = held.indexOf(this.#startBytes);
        const end = start < 0 ? -1 : held.indexOf(END, start + this.#startBytes.length);
        if (end < 0) break;
        push(held.subarray(0, start));
        onMarker(held.toString("latin1", start + this.#startBytes.length, end));
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

  /** What comes from `source` before the first marker; the rest is dropped. */
  before(source: Readable): Readable {
    const output = new PassThrough();
    let held = Buffer.alloc(0);
    source.on("data", (chunk: Buffer) => {
      if (output.writableEnded) return;
      held = Buffer.concat([held, chunk]);
      const marker = held.indexOf(this.#startBytes);
      if (marker >= 0) return void output.end(held.subarray(0, marker));
      const keep = this.#unfinished(held);
      if (keep > 0) output.write(held.subarray(0, keep));
      held = held.subarray(keep);
    });
    source.once("close", () => output.end());
    return output;
  }

  /**
   * Shell text that sends `signal` to the command with the reported `ids`: its shell, or the login shell above it, leads
   * the process group. Once the shell has ended, its parent may be sshd, which must not get the signal.
   */
  static kill(ids: string, signal: NodeJS.Signals): string {
    const [shell, parent] = ids.split(" ");
    const kill = `kill -s ${signal.replace(/^SIG/, "")}`;
    return `${kill} -- -${shell} 2>/dev/null || { kill -0 ${shell} && ${kill} -- -${parent}; } 2>/dev/null`;
  }

  /** The position of an incomplete marker at the end of `data`; its length if there is none. */
  #unfinished(data: Buffer): number {
    for (let at = data.indexOf(0x1e); at >= 0; at = data.indexOf(0x1e, at + 1)) {
      const rest = data.subarray(at, at + this.#startBytes.length);
      if (this.#startBytes.subarray(0, rest.length).equals(rest)) return at;
    }
    return data.length;
  }
}
