import { randomBytes } from "node:crypto";
import { FailedChange } from "../../model/errors";
import { beginningOf } from "../../util/excerpt";
import type { RawResult } from "../command";
import { OUTPUT_LIMIT, OutputLimitExceeded } from "../command-output";
import { PRELUDE } from "./scripts";

/** The answer to a question: exit code and output, including stderr. */
export interface Answer {
  readonly exit: number;
  readonly output: Buffer;
}

interface Waiting {
  readonly script: string;
  readonly shown: string;
  /** The most bytes that the answer may have. */
  readonly limit: number;
  answered(answer: Answer): void;
  failed(reason: unknown): void;
}

/** The kernel takes no longer argument than 128 KiB, and a command is one. */
const MOST_CHARACTERS = 60_000;

/** Of what people may see of a command, in characters. */
const MOST_SHOWN = 500;

/** What may be around the answers of one command, in bytes. */
const AROUND = 1024 * 1024;

/** Questions that change nothing, asked together: all that are put in one turn of the event loop are one command. */
export class Questions {
  #waiting: Waiting[] = [];

  /** `run` runs a script on the far side; `shown` is what people may see of it, `limit` the most that it may print. */
  constructor(private readonly run: (script: string, shown: string, limit: number) => Promise<RawResult>) {}

  ask(script: string, shown = "look at the host", limit = OUTPUT_LIMIT): Promise<Answer> {
    return new Promise((answered, failed) => {
      this.#waiting.push({ script, shown, limit, answered, failed });
      if (this.#waiting.length === 1) setImmediate(() => this.#askAll());
    });
  }

  #askAll(): void {
    const batches: Waiting[][] = [[]];
    let characters = 0;
    for (const waiting of this.#waiting) {
      characters += waiting.script.length;
      if (characters > MOST_CHARACTERS) {
        batches.push([]);
        characters = waiting.script.length;
      }
      batches.at(-1)?.push(waiting);
    }
    this.#waiting = [];
    for (const batch of batches) if (batch.length > 0) void this.#askTogether(batch);
  }

  async #askTogether(batch: readonly Waiting[]): Promise<void> {
    try {
      const mark = randomBytes(12).toString("hex");
      const scripts = batch.map(
        ({ script }) => `(\n${script}\n) </dev/null 2>&1\nprintf '\\n${mark} %s\\n' "$?"\n`,
      );
      const { stdout, stderr, exit } = await this.run(
        `${PRELUDE}printf '\\n${mark} 0\\n'\n${scripts.join("")}`,
        beginningOf([...new Set(batch.map(({ shown }) => shown))].join(", "), MOST_SHOWN),
        Math.max(...batch.map(({ limit }) => limit)) + AROUND,
      );
      const answers = split(stdout, mark);
      for (const [index, waiting] of batch.entries()) {
        const answer = answers[index];
        if (answer) waiting.answered(answer);
        else
          waiting.failed(
            new FailedChange(
              `the shell ended in the middle, with exit code ${exit}: ${stderr.toString("utf8").trim()}`,
            ),
          );
      }
    } catch (error) {
      if (error instanceof OutputLimitExceeded && batch.length > 1) {
        // One of them, or all of them together: each by itself may have its limit.
        for (const waiting of batch) await this.#askTogether([waiting]);
        return;
      }
      for (const waiting of batch) waiting.failed(error);
    }
  }
}

/** Splits the output at the markers. Anything before the first was printed by the login shell. */
function split(stdout: Buffer, mark: string): Answer[] {
  const sign = Buffer.from(`\n${mark} `);
  const answers: Answer[] = [];
  let start: number | undefined;
  for (let at = stdout.indexOf(sign); at >= 0; at = stdout.indexOf(sign, at + 1)) {
    const end = stdout.indexOf("\n", at + sign.length);
    const exit = Number(stdout.toString("latin1", at + sign.length, end));
    if (start !== undefined) answers.push({ exit, output: stdout.subarray(start, at) });
    start = end + 1;
    at = end;
  }
  return answers;
}
