import type { StepEvent } from "../model/events";
import { TextCleaner } from "../util/clean-text";
import { characterBoundary, EXCERPT, omission } from "../util/excerpt";

type Stream = "stdout" | "stderr";

/** While a step prints too much, one line is reported at this interval, cut to this many characters. */
const PREVIEW_INTERVAL_MS = 1000;
const PREVIEW_LENGTH = 200;
/** Chunks of output shorter than this, in characters, are joined. */
const CHUNK_LENGTH = 4096;

/**
 * Turns the output of one step into events: the beginning as it is printed, then an occasional line, and the end when the
 * step ends. So no step can fill a link, a journal, or the memory of a listener with its output.
 */
export class StepOutput {
  #headRoom = EXCERPT;
  readonly #tail: { stream: Stream; text: string }[] = [];
  #tailLength = 0;
  #omitted = 0;
  #previewedAt = Number.NEGATIVE_INFINITY;
  /** An escape sequence may begin in one chunk and end in the next. */
  readonly #cleaners = { stdout: new TextCleaner(), stderr: new TextCleaner() };

  constructor(
    private readonly step: number,
    private readonly emit: (event: StepEvent) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  add(stream: Stream, printed: string): void {
    const text = this.#cleaners[stream].add(printed);
    const at = characterBoundary(text, Math.min(this.#headRoom, text.length));
    if (at > 0) this.#report(stream, text.slice(0, at));
    this.#headRoom = at < text.length ? 0 : this.#headRoom - at;
    if (at === text.length) return;
    this.#keep(stream, text.slice(at));
    this.#preview(text);
  }

  /** Reports the end of the output. Call when the step has ended. */
  end(): void {
    const [first] = this.#tail;
    if (first && this.#omitted > 0) this.#report(first.stream, omission(this.#omitted));
    for (const { stream, text } of this.#tail.splice(0)) this.#report(stream, text);
  }

  #report(stream: Stream, text: string): void {
    this.emit({ kind: "step-output", step: this.step, stream, text });
  }

  #keep(stream: Stream, printed: string): void {
    const text = printed.slice(characterBoundary(printed, Math.max(0, printed.length - EXCERPT)));
    this.#omitted += printed.length - text.length;
    this.#tailLength += text.length;
    const last = this.#tail.at(-1);
    if (last?.stream === stream && last.text.length < CHUNK_LENGTH) last.text += text;
    else this.#tail.push({ stream, text });
    for (let first = this.#tail[0]; first && this.#tailLength - first.text.length >= EXCERPT; ) {
      this.#tailLength -= first.text.length;
      this.#omitted += first.text.length;
      this.#tail.shift();
      first = this.#tail[0];
    }
  }

  #preview(text: string): void {
    if (this.now() - this.#previewedAt < PREVIEW_INTERVAL_MS) return;
    this.#previewedAt = this.now();
    const line = text.trimEnd().split("\n").at(-1) ?? "";
    this.emit({
      kind: "step-preview",
      step: this.step,
      text: line.slice(0, characterBoundary(line, PREVIEW_LENGTH)),
    });
  }
}
