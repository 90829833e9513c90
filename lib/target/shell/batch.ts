import { randomBytes } from "node:crypto";
import { FailedChange } from "../../model/errors";
import { beginningOf } from "../../util/excerpt";
import { shellQuote } from "../../util/shell-quote";
import type { RawResult } from "../command";
import { OUTPUT_LIMIT, OutputLimitExceeded } from "../command-output";
import { PRELUDE } from "./scripts";

/** The answer to a question: exit code and output, including stderr unless that is collected apart. */
export interface Answer {
  readonly exit: number;
  readonly output: Buffer;
  readonly stderr?: Buffer;
}

/** How a batch of questions is run. */
interface Batch {
  /** The most that it may print, in bytes. */
  readonly limit: number;
  /** Receives what it prints, as it arrives. */
  heard?(text: string): void;
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
  /** The first of each batch that has not ended yet. Only with `apart`. */
  readonly running = new Set<string>();
  #waiting: Waiting[] = [];

  /**
   * `run` runs a script on the far side; `shown` is what people may see of it. `apart`: the questions are commands of any
   * kind, and stderr is an answer of its own.
   */
  constructor(
    private readonly run: (script: string, shown: string, batch: Batch) => Promise<RawResult>,
    private readonly apart = false,
  ) {}

  ask(script: string, shown: string, limit = OUTPUT_LIMIT): Promise<Answer> {
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
    const mark = randomBytes(12).toString("hex");
    const scripts = batch.map(({ script }) => script);
    const progress = this.apart ? this.#progress(scripts, mark) : undefined;
    try {
      const { stdout, stderr, exit } = await this.run(
        this.apart ? commandsWith(mark, scripts) : questionsWith(mark, scripts),
        beginningOf([...new Set(batch.map(({ shown }) => shown))].join(", "), MOST_SHOWN),
        {
          limit: Math.max(...batch.map(({ limit }) => limit)) + AROUND,
          ...(progress && { heard: progress.heard }),
        },
      );
      const answers = split(stdout, mark);
      const errors = this.apart ? split(stderr, mark) : [];
      for (const [index, waiting] of batch.entries()) {
        const [answer, error] = [answers[index], errors[index]];
        if (answer) waiting.answered({ ...answer, ...(error && { stderr: error.output }) });
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
    } finally {
      progress?.over();
    }
  }

  /** Notes which of `scripts` runs, from what is heard: each ends with `mark`. */
  #progress(scripts: readonly string[], mark: string): { heard(text: string): void; over(): void } {
    let ended = -1;
    let rest = "";
    const note = (change: "add" | "delete") => {
      const script = scripts[ended];
      if (script !== undefined) this.running[change](script);
    };
    return {
      heard: (text) => {
        const parts = (rest + text).split(mark);
        rest = (parts.at(-1) ?? "").slice(1 - mark.length);
        note("delete");
        ended += parts.length - 1;
        note("add");
      },
      over: () => note("delete"),
    };
  }
}

/** A script that asks each of `scripts`, and prints `mark` with the exit code after each, and before the first. */
const questionsWith = (mark: string, scripts: readonly string[]): string => {
  const end = `printf '\\n${mark} %s\\n'`;
  return `${PRELUDE}${end} 0\n${scripts.map((script) => `(\n${script}\n) </dev/null 2>&1\n${end} "$?"\n`).join("")}`;
};

/** The same for commands: `mark` is on both outputs, and one that no shell understands keeps none from being run. */
const commandsWith = (mark: string, scripts: readonly string[]): string => {
  const end = `printf '\\n${mark} %s\\n'`;
  const command = (script: string) =>
    `(\neval ${shellQuote(script)}\n) </dev/null; e=$?; ${end} $e; ${end} $e >&2\n`;
  return `${end} 0; ${end} 0 >&2\n${scripts.map(command).join("")}`;
};

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
