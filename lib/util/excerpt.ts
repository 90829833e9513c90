import type { StepEvent } from "../model/events";

/** Of long output this much is kept of its beginning, and about as much of its end: characters of text, bytes of a command's. */
export const EXCERPT = 512 * 1024;
/** How often a step that prints too much is heard of. */
const SAID_EVERY_MS = 1000;
const MOST_SAID = 200;
/** Pieces smaller than this are put together. */
const PIECE = 4096;

type Stream = "stdout" | "stderr";

/**
 * What one step prints, as events: the beginning as it comes, then only a line of it now and then, and when the step
 * ends the end. So nothing that a step prints can fill a link, a journal, or the memory of whoever listens.
 */
export class StepOutput {
  #room = EXCERPT;
  readonly #tail: { stream: Stream; text: string }[] = [];
  #inTail = 0;
  #leftOut = 0;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly step: number,
    private readonly emit: (event: StepEvent) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  add(stream: Stream, text: string): void {
    const at = between(text, Math.min(this.#room, text.length));
    if (at > 0) this.#tell(stream, text.slice(0, at));
    this.#room = at < text.length ? 0 : this.#room - at;
    if (at === text.length) return;
    this.#keep(stream, text.slice(at));
    this.#say(text);
  }

  /** The step is over: what was kept back of its output is told. */
  end(): void {
    const [first] = this.#tail;
    if (first && this.#leftOut > 0) this.#tell(first.stream, leftOut(this.#leftOut));
    for (const { stream, text } of this.#tail.splice(0)) this.#tell(stream, text);
  }

  #tell(stream: Stream, text: string): void {
    this.emit({ kind: "step-output", step: this.step, stream, text });
  }

  #keep(stream: Stream, said: string): void {
    const text = said.slice(between(said, Math.max(0, said.length - EXCERPT)));
    this.#leftOut += said.length - text.length;
    this.#inTail += text.length;
    const last = this.#tail.at(-1);
    if (last?.stream === stream && last.text.length < PIECE) last.text += text;
    else this.#tail.push({ stream, text });
    for (let first = this.#tail[0]; first && this.#inTail - first.text.length >= EXCERPT; ) {
      this.#inTail -= first.text.length;
      this.#leftOut += first.text.length;
      this.#tail.shift();
      first = this.#tail[0];
    }
  }

  #say(text: string): void {
    if (this.now() - this.#saidAt < SAID_EVERY_MS) return;
    this.#saidAt = this.now();
    const line =
      text
        .trimEnd()
        .split(/[\r\n]/)
        .at(-1) ?? "";
    this.emit({ kind: "step-says", step: this.step, text: line.slice(0, between(line, MOST_SAID)) });
  }
}

/** What a command prints, as bytes: all of it, or only `most` of its beginning and about as many of its end. */
export class Gathered {
  readonly #head: Buffer[] = [];
  readonly #tail: Buffer[] = [];
  #inHead = 0;
  #inTail = 0;
  #leftOut = 0;

  constructor(private readonly most = Number.POSITIVE_INFINITY) {}

  add(chunk: Buffer): void {
    const head = chunk.subarray(0, Math.min(chunk.length, this.most - this.#inHead));
    const rest = chunk.subarray(head.length);
    if (head.length > 0) this.#head.push(head);
    this.#inHead += head.length;
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#inTail += rest.length;
    for (
      let first = this.#tail[0];
      first && this.#inTail - first.length >= this.most;
      first = this.#tail[0]
    ) {
      this.#tail.shift();
      this.#inTail -= first.length;
      this.#leftOut += first.length;
    }
  }

  bytes(): Buffer {
    const all = Buffer.concat(this.#tail);
    const tail = all.subarray(Math.max(0, all.length - this.most));
    const left = this.#leftOut + all.length - tail.length;
    return Buffer.concat([...this.#head, ...(left > 0 ? [Buffer.from(leftOut(left))] : []), tail]);
  }
}

/** `text`, or its beginning and its end when it is long. */
export function excerptOf(text: string): string {
  if (text.length <= 2 * EXCERPT + NOTE) return text;
  const head = text.slice(0, between(text, EXCERPT));
  const tail = text.slice(between(text, text.length - EXCERPT));
  return `${head}${leftOut(text.length - head.length - tail.length)}${tail}`;
}

/** `text`, or its beginning when it has more than `most` characters. */
export const beginningOf = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, between(text, most))}…` : text;

/** The line that says how much was left out is no longer than this. */
const NOTE = 100;
const leftOut = (length: number): string =>
  `\n… ${length < 1e6 ? `${Math.ceil(length / 1000)} kB` : `${(length / 1e6).toFixed(1)} MB`} of output left out …\n`;

/** `at`, or the place before it where `at` would part the two halves of one character. */
const between = (text: string, at: number): number => {
  const code = text.charCodeAt(at);
  return at > 0 && at < text.length && code >= 0xdc00 && code < 0xe000 ? at - 1 : at;
};
