import { PassThrough } from "node:stream";
import type { ReadStream } from "node:tty";

const CTRL_C = 3;

/**
 * The keyboard as the prompt reads it. While something runs, keys are kept for later, so that nothing is echoed into
 * the view, and Ctrl-C is told at once.
 */
export class Keyboard extends PassThrough {
  readonly isTTY = true;
  #kept: Buffer[] = [];
  #onInterrupt: (() => void) | undefined;
  #taker: ((chunk: Buffer) => void) | undefined;
  #raw = false;

  constructor(private readonly terminal: ReadStream) {
    super();
    terminal.on("data", (chunk: Buffer) => this.#take(chunk));
    terminal.on("end", () => this.end());
  }

  /** Until `release`, keys are kept and `onInterrupt` is called for each Ctrl-C. */
  hold(onInterrupt: () => void): void {
    this.#onInterrupt = onInterrupt;
  }

  /** Keys go to the prompt again, first those that were kept. */
  release(): void {
    this.#onInterrupt = undefined;
    const kept = this.#kept;
    this.#kept = [];
    for (const chunk of kept) this.write(chunk);
  }

  /** All keys go to `taker` until the function returned is called: for questions. */
  lend(taker: (chunk: Buffer) => void): () => void {
    this.#taker = taker;
    return () => {
      this.#taker = undefined;
    };
  }

  setRawMode(raw: boolean): this {
    this.#raw = raw;
    this.terminal.setRawMode(raw);
    return this;
  }

  /** `act` with the terminal turning Ctrl-C into a signal: the only thing that can end a loop that never gives way. */
  signalling<T>(act: () => T): T {
    const raw = this.#raw;
    if (raw) this.terminal.setRawMode(false);
    try {
      return act();
    } finally {
      if (raw) this.terminal.setRawMode(true);
    }
  }

  close(): void {
    this.terminal.pause();
    this.end();
  }

  #take(chunk: Buffer): void {
    if (this.#taker) this.#taker(chunk);
    else if (!this.#onInterrupt) this.write(chunk);
    else if (chunk.includes(CTRL_C)) {
      this.#kept = [];
      this.#onInterrupt();
    } else this.#kept.push(chunk);
  }
}
