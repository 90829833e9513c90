/** A longer line of a host is left out, in bytes. */
const MOST_IN_LINE = 1024 * 1024;

/** By which a place in a file is recognised. */
export const LAST_BYTES = 48;

/** A line that has ended. */
export interface Line {
  /** Undefined for one that is too long. */
  readonly text: string | undefined;
  /** With its end. */
  readonly bytes: number;
  /** Its last bytes, the newline too: not more than `LAST_BYTES`. */
  readonly last: Buffer;
}

/** Makes lines of what comes in pieces. */
export class LineBytes {
  #parts: Buffer[] = [];
  #last = Buffer.alloc(0);
  #bytes = 0;

  *take(piece: Buffer): Generator<Line, void, undefined> {
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, from)) {
      this.#add(piece.subarray(from, end + 1));
      from = end + 1;
      const isTooLong = this.#bytes > MOST_IN_LINE;
      const text = isTooLong ? undefined : Buffer.concat(this.#parts).toString("utf8", 0, this.#bytes - 1);
      const line = { text, bytes: this.#bytes, last: this.#last };
      this.#parts = [];
      this.#last = Buffer.alloc(0);
      this.#bytes = 0;
      yield line;
    }
    this.#add(piece.subarray(from));
  }

  /** What has come of a line without its newline, as if that had come, too. */
  *end(): Generator<Line, void, undefined> {
    if (this.#bytes > 0) yield* this.take(Buffer.of(NEWLINE));
  }

  #add(part: Buffer): void {
    this.#bytes += part.length;
    this.#last = Buffer.concat([this.#last, part.subarray(-LAST_BYTES)]).subarray(-LAST_BYTES);
    if (this.#bytes > MOST_IN_LINE) this.#parts = [];
    else if (part.length > 0) this.#parts.push(part);
  }
}

const NEWLINE = 0x0a;
