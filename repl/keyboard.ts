import { PassThrough } from "node:stream";
import type { ReadStream } from "node:tty";

const CTRL_C = 3;
const RETURN = 13;

/**
 * The prompt's input. While a command runs, keys are buffered, so that nothing is echoed into the view; Ctrl-C is
 * reported at once.
 */
export class Keyboard extends PassThrough {
  readonly isTTY = true;
  #buffered: Buffer = Buffer.alloc(0);
  #pumping = false;
  #onInterrupt: (() => void) | undefined;
  #taker: ((chunk: Buffer) => void) | undefined;
  #raw = false;

  constructor(private readonly terminal: ReadStream) {
    super();
    terminal.on("data", (chunk: Buffer) => this.#take(chunk));
    terminal.on("end", () => this.end());
  }

  /** Until `release`, buffers keys and calls `onInterrupt` for each Ctrl-C. */
  hold(onInterrupt: () => void): void {
    this.#onInterrupt = onInterrupt;
    if (!this.#buffered.includes(CTRL_C)) return;
    this.#buffered = Buffer.alloc(0);
    setImmediate(onInterrupt);
  }

  /** Sends keys to the prompt again, first the buffered ones. */
  release(): void {
    this.#onInterrupt = undefined;
    this.#pump();
  }

  /** Line by line: a command may call `hold` for the rest of the buffered lines. */
  #pump(): void {
    if (this.#onInterrupt || this.#pumping || this.#buffered.length === 0) return;
    const end = this.#buffered.indexOf(RETURN);
    const line = end < 0 ? this.#buffered : this.#buffered.subarray(0, end + 1);
    this.#buffered = this.#buffered.subarray(line.length);
    this.#pumping = true;
    this.write(line);
    setImmediate(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** Sends all keys to `taker` until the returned function is called: for questions. */
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

  /** Runs `act` with Ctrl-C sending SIGINT: only a signal can end a loop that never yields. */
  withSigint<T>(act: () => T): T {
    const raw = this.#raw;
    if (raw) this.terminal.setRawMode(false);
    try {
      return act();
    } finally {
      if (raw) this.terminal.setRawMode(true);
    }
  }

  /** Runs `act` while another program, such as an editor, owns the terminal and its input. */
  async withTerminalReleased<T>(act: () => Promise<T>): Promise<T> {
    const raw = this.#raw;
    const ignore = () => {}; // Ctrl-C is for the other program
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
      this.#buffered = Buffer.alloc(0);
      return this.#onInterrupt();
    }
    this.#buffered = Buffer.concat([this.#buffered, chunk]);
    this.#pump();
  }
}
