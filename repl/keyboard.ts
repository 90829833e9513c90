import { PassThrough } from "node:stream";
import type { ReadStream } from "node:tty";
import { PASTE_START, type PastedInput, pastedPart, withoutPasteMarks } from "./_paste";

const CTRL_C = 3;
const RETURN = 13;

/** Receives what is pasted, instead of the keys that it would be. */
export interface PasteTaker {
  /** The inputs in `text`. */
  split(text: string): readonly PastedInput[];
  /** Inserts `text` where the user types. */
  insert(text: string): void;
}

/**
 * The prompt's input. While a command runs, keys are buffered, so that nothing is echoed into the view; Ctrl-C is
 * reported at once. What is pasted goes to `paste`, input by input.
 */
export class Keyboard extends PassThrough {
  readonly isTTY = true;
  paste: PasteTaker | undefined;
  #buffered: Buffer = Buffer.alloc(0);
  /** Pasted inputs that are not inserted yet; they come before `#buffered`. */
  #pasted: PastedInput[] = [];
  #pumping = false;
  #onInterrupt: (() => void) | undefined;
  #taker: ((chunk: Buffer) => void) | undefined;
  #raw = false;

  constructor(private readonly terminal: ReadStream) {
    super();
    terminal.on("data", (chunk: Buffer) => this.receive(chunk));
    terminal.on("end", () => this.end());
  }

  /** Until `release`, buffers keys and calls `onInterrupt` for each Ctrl-C. */
  hold(onInterrupt: () => void): void {
    this.#onInterrupt = onInterrupt;
    if (!this.#buffered.includes(CTRL_C)) return;
    this.#clear();
    setImmediate(onInterrupt);
  }

  /** Sends keys to the prompt again, first the buffered ones. */
  release(): void {
    this.#onInterrupt = undefined;
    this.#pump();
  }

  /** Does what Ctrl-C does while a command runs; nothing while none does. */
  interrupt(): void {
    this.#clear();
    this.#onInterrupt?.();
  }

  /** Line by line and input by input: a command may call `hold` for the rest. */
  #pump(): void {
    if (this.#onInterrupt || this.#pumping) return;
    const send = this.#next();
    if (!send) return;
    this.#pumping = true;
    send();
    setImmediate(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #next(): (() => void) | undefined {
    const input = this.#pasted.shift();
    if (input)
      return () => {
        this.paste?.insert(input.text);
        if (input.complete) this.write("\r");
      };
    if (this.#buffered.length === 0) return undefined;
    const { paste } = this;
    const pasted = paste && pastedPart(this.#buffered);
    if (pasted === "unfinished") return undefined;
    if (paste && pasted) {
      this.#buffered = this.#buffered.subarray(pasted.length);
      this.#pasted = [...paste.split(pasted.text)];
      return this.#next();
    }
    const returned = this.#buffered.indexOf(RETURN) + 1;
    const marked = this.#buffered.indexOf(PASTE_START);
    const ends = [returned, paste ? marked : 0].filter((end) => end > 0);
    const line = this.#buffered.subarray(0, Math.min(this.#buffered.length, ...ends));
    this.#buffered = this.#buffered.subarray(line.length);
    return () => void this.write(line);
  }

  /** Sends all keys to `taker` until the returned function is called: for questions. With `raw`, with marks of pastes. */
  lend(taker: (chunk: Buffer) => void, { raw = false } = {}): () => void {
    const taking = raw ? taker : (chunk: Buffer) => taker(withoutPasteMarks(chunk));
    this.#taker = taking;
    return () => {
      if (this.#taker === taking) this.#taker = undefined;
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

  #clear(): void {
    this.#buffered = Buffer.alloc(0);
    this.#pasted = [];
  }

  /** Takes keys, from the terminal or from whoever has read them there. */
  receive(chunk: Buffer): void {
    if (this.#taker) return this.#taker(chunk);
    if (this.#onInterrupt && chunk.includes(CTRL_C)) {
      this.#clear();
      for (const _ of chunk.filter((key) => key === CTRL_C)) this.#onInterrupt();
      return;
    }
    this.#buffered = Buffer.concat([this.#buffered, chunk]);
    this.#pump();
  }
}
