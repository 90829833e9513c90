import { PassThrough } from "node:stream";
import type { ReadStream } from "node:tty";

const CTRL_C = 3;
const RETURN = 13;

/**
 * The keyboard as the prompt reads it. While something runs, keys are kept for later, so that nothing is echoed into
 * the view, and Ctrl-C is told at once.
 */
export class Keyboard extends PassThrough {
  readonly isTTY = true;
  #kept: Buffer = Buffer.alloc(0);
  #pumping = false;
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
    if (!this.#kept.includes(CTRL_C)) return;
    this.#kept = Buffer.alloc(0);
    setImmediate(onInterrupt);
  }

  /** Keys go to the prompt again, first those that were kept. */
  release(): void {
    this.#onInterrupt = undefined;
    this.#pump();
  }

  /** Line by line: what a line starts may hold the rest, also of what was pasted at once. */
  #pump(): void {
    if (this.#onInterrupt || this.#pumping || this.#kept.length === 0) return;
    const end = this.#kept.indexOf(RETURN);
    const line = end < 0 ? this.#kept : this.#kept.subarray(0, end + 1);
    this.#kept = this.#kept.subarray(line.length);
    this.#pumping = true;
    this.write(line);
    setImmediate(() => {
      this.#pumping = false;
      this.#pump();
    });
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

  /** `act` with the terminal left to another program, as an editor. What is typed meanwhile is that one's. */
  async away<T>(act: () => Promise<T>): Promise<T> {
    const raw = this.#raw;
    const ignore = () => {}; // Ctrl-C is for the other program, whatever it makes of it
    process.on("SIGINT", ignore);
    this.terminal.pause();
    if (raw) this.terminal.setRawMode(false);
    try {
      return await act();
    } finally {
      if (raw) this.terminal.setRawMode(true);
      this.terminal.resume();
      process.off("SIGINT", ignore);
    }
  }

  close(): void {
    this.terminal.pause();
    this.end();
  }

  #take(chunk: Buffer): void {
    if (this.#taker) return this.#taker(chunk);
    if (this.#onInterrupt && chunk.includes(CTRL_C)) {
      this.#kept = Buffer.alloc(0);
      return this.#onInterrupt();
    }
    this.#kept = Buffer.concat([this.#kept, chunk]);
    this.#pump();
  }
}
