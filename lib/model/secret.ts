import { inspect } from "node:util";

/**
 * Bytes that must not be seen: they cannot be printed, made into text by accident, serialised, or be an argument of a
 * property. `writeFile`, `ensureContent` and the `input` of a command take a secret as it is, and no report shows it.
 */
export class Secret {
  readonly #bytes: Buffer;

  constructor(content: string | Buffer) {
    this.#bytes = Buffer.from(content as string);
  }

  /** In bytes. */
  get size(): number {
    return this.#bytes.length;
  }

  /** The bytes. Do not put them, or what is made from them, into a command, its environment, a message or a log. */
  reveal(): Buffer {
    return this.#bytes;
  }

  /** Throws `TypeError`: a secret in a template string would end up in a command or in a message. */
  toString(): never {
    throw new TypeError(
      "a secret cannot be made into text; pass it on as the content of a file or as the input of a command, or call its reveal()",
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

/** What can be written to a file or be the input of a command. */
export type Content = string | Buffer | Secret;
