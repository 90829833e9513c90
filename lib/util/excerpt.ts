/** The length kept of the beginning, and of the end, of long output: characters of text, bytes of command output. */
export const EXCERPT = 512 * 1024;

/** Collects the bytes that a command prints: all of them, or only the first and the last `limit`. */
export class OutputBuffer {
  readonly #head: Buffer[] = [];
  readonly #tail: Buffer[] = [];
  #headBytes = 0;
  #tailBytes = 0;
  #omitted = 0;

  constructor(private readonly limit = Number.POSITIVE_INFINITY) {}

  add(chunk: Buffer): void {
    const head = chunk.subarray(0, Math.min(chunk.length, this.limit - this.#headBytes));
    const rest = chunk.subarray(head.length);
    if (head.length > 0) this.#head.push(head);
    this.#headBytes += head.length;
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tailBytes += rest.length;
    for (
      let first = this.#tail[0];
      first && this.#tailBytes - first.length >= this.limit;
      first = this.#tail[0]
    ) {
      this.#tail.shift();
      this.#tailBytes -= first.length;
      this.#omitted += first.length;
    }
  }

  bytes(): Buffer {
    const all = Buffer.concat(this.#tail);
    const tail = all.subarray(Math.max(0, all.length - this.limit));
    const omitted = this.#omitted + all.length - tail.length;
    return Buffer.concat([...this.#head, ...(omitted > 0 ? [Buffer.from(omission(omitted))] : []), tail]);
  }
}

/** `text`, shortened to its beginning and its end when it is long. */
export function excerptOf(text: string): string {
  if (text.length <= 2 * EXCERPT + OMISSION_LENGTH) return text;
  const head = text.slice(0, characterBoundary(text, EXCERPT));
  const tail = text.slice(characterBoundary(text, text.length - EXCERPT));
  return `${head}${omission(text.length - head.length - tail.length)}${tail}`;
}

/** `text`, cut after `limit` characters. */
export const beginningOf = (text: string, limit: number): string =>
  text.length > limit ? `${text.slice(0, characterBoundary(text, limit))}…` : text;

/** No `omission` is longer than this. */
const OMISSION_LENGTH = 100;

/** The line that replaces `length` characters or bytes of output. */
export const omission = (length: number): string =>
  `\n… ${length < 1e6 ? `${Math.ceil(length / 1000)} kB` : `${(length / 1e6).toFixed(1)} MB`} of output omitted …\n`;

/** `at`, or the index before it where `at` would split a surrogate pair. */
export const characterBoundary = (text: string, at: number): number => {
  const code = text.charCodeAt(at);
  return at > 0 && at < text.length && code >= 0xdc00 && code < 0xe000 ? at - 1 : at;
};

/** The part of `line` around `column` that is `width` wide, with the cuts marked, and the column in it. */
export function around(line: string, column: number, width: number): { text: string; column: number } {
  if (line.length <= width) return { text: line, column };
  const start = Math.max(0, Math.min(column - 1 - Math.floor(width / 2), line.length - width));
  const text = line.slice(start, start + width);
  const begins = start > 0 ? `…${text.slice(1)}` : text;
  return {
    text: start + width < line.length ? `${begins.slice(0, -1)}…` : begins,
    column: column - start,
  };
}
