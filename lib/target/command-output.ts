import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { FailedChange } from "../model/errors";
import { EXCERPT, OutputBuffer } from "../util/excerpt";
import type { RawResult } from "./command";
import type { Execution } from "./context";

/** The most bytes that a command may print whose output is kept whole, and that a file may have that is read whole. */
export const OUTPUT_LIMIT = 64 * 1024 * 1024;

/** A command printed more than may be kept of it, and was ended. */
export class OutputLimitExceeded extends FailedChange {
  constructor(shown: string, limit: number) {
    super(
      `\`${shown}\` printed more than ${inMegabytes(limit)} and was ended; let it write to a file, or run it with { excerpt: true }, which keeps only the beginning and the end`,
    );
  }
}

/** Why a file is not read. */
export const TOO_LARGE = `it is larger than ${inMegabytes(OUTPUT_LIMIT)}, the most that is read of a file`;

/** `bytes` as text, such as 64 MiB. */
function inMegabytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 / 1024)} MiB`;
}

/** What is known of a command whose output is collected. */
export type Printing = Pick<Execution, "output" | "excerpt" | "shown" | "limit">;

/** Collects the outputs of one command, for both targets: an excerpt of any amount, or all of it up to a limit. */
export class CommandOutput {
  /** Aborted when the given signal is, or with `OutputLimitExceeded`: then the command must be ended. */
  readonly signal: AbortSignal;
  readonly #excess = new AbortController();
  readonly #printed = { stdout: new OutputBuffer(), stderr: new OutputBuffer() };
  #bytes = 0;

  constructor(
    private readonly how: Printing,
    signal: AbortSignal,
  ) {
    this.signal = AbortSignal.any([signal, this.#excess.signal]);
    if (how.excerpt) this.#keep(EXCERPT);
  }

  /** Reads `source` to its end. `heard` is called with each piece. */
  read(stream: "stdout" | "stderr", source: Readable | null, heard?: () => void): void {
    const { output } = this.how;
    const decoder = new StringDecoder("utf8");
    source?.on("data", (data: Buffer | string) => {
      heard?.();
      const chunk = Buffer.from(data);
      this.#add(stream, chunk);
      const text = output ? decoder.write(chunk) : "";
      if (text !== "") output?.(stream, text);
    });
  }

  /** Aborts `signal` with `error`: the command cannot go on. */
  fail(error: Error): void {
    this.#excess.abort(error);
  }

  /** The result of the command, which ended with `exit`. */
  result(exit: number): RawResult {
    return { exit, stdout: this.#printed.stdout.bytes(), stderr: this.#printed.stderr.bytes() };
  }

  #add(stream: "stdout" | "stderr", chunk: Buffer): void {
    // What it prints until it has ended is read, so that it can end, and forgotten.
    if (this.#excess.signal.aborted) return;
    this.#printed[stream].add(chunk);
    this.#bytes += chunk.length;
    const { excerpt, shown, limit = OUTPUT_LIMIT } = this.how;
    if (excerpt || this.#bytes <= limit) return;
    this.#keep(0);
    this.#excess.abort(new OutputLimitExceeded(shown, limit));
  }

  #keep(limit: number): void {
    this.#printed.stdout = new OutputBuffer(limit);
    this.#printed.stderr = new OutputBuffer(limit);
  }
}
