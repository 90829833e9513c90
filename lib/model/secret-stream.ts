import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { passedOn } from "../util/large-buffers";
import { unlessWithdrawn } from "./asker";
import { FailedChange } from "./errors";
import { type LargeDatum, PIECE_BYTES } from "./questions";

/**
 * Bytes that must not be seen, as those of a `Secret`, of any amount: they are fetched piece by piece when they are written.
 * `writeFile`, `ensureContent` and the `input` of a command take them.
 */
export class SecretStream {
  readonly #datum: LargeDatum;

  constructor(datum: LargeDatum) {
    this.#datum = datum;
  }

  /** In bytes. */
  get size(): number {
    return this.#datum.size;
  }

  /** The SHA-256 of all bytes, in hexadecimal digits. */
  get sha256(): string {
    return this.#datum.sha256;
  }

  /**
   * The bytes, from the first. A piece holds them until the next one is asked for. Throws `FailedChange` in the end when they
   * are not those of the SHA-256, and `Cancelled` once `signal` is aborted.
   */
  async *pieces(signal?: AbortSignal): AsyncGenerator<Buffer> {
    const hash = createHash("sha256");
    // Two in turn: new ones would add up until they are collected.
    const buffers: Buffer[] = [];
    const piece = (at: number) => {
      const found = this.#datum.piece(at, () => {
        const buffer = buffers.length < 2 ? Buffer.allocUnsafeSlow(PIECE_BYTES) : buffers.shift();
        buffers.push(buffer as Buffer);
        return buffer as Buffer;
      });
      found.catch(() => {});
      return found;
    };
    let next = this.size > 0 ? piece(0) : undefined;
    for (let at = 0; next; ) {
      const bytes = await unlessWithdrawn(next, signal);
      if (bytes.length === 0) break;
      at += bytes.length;
      // The next one travels while this one is written.
      next = at < this.size ? piece(at) : undefined;
      hash.update(bytes);
      yield bytes;
      passedOn(bytes.length);
    }
    if (hash.digest("hex") !== this.sha256)
      throw new FailedChange("the data is not what it was when it was announced; deploy again");
  }

  /** Throws `TypeError`, as that of a `Secret`. */
  toString(): never {
    throw new TypeError(
      "data that comes in pieces cannot be made into text; pass it on as the content of a file or as the input of a command",
    );
  }

  /** Throws `TypeError`. */
  toJSON(): never {
    throw new TypeError("a secret cannot be serialised");
  }

  [inspect.custom](): string {
    return `[secret, ${this.size} bytes]`;
  }
}
