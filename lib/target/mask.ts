import type { CommandResult } from "../model/errors";
import type { Secret } from "../model/secret";
import type { TargetContext } from "./context";

type Output = TargetContext["output"];

/** What stands for a secret. */
const MASK = "[secret]";
/** Shorter parts of a secret may be anything. */
const SHORTEST = 4;
/** A longer secret is a file: only its whole lines are looked for. */
const LONGEST = 64 * 1024;
/** A line of output is cut here when no line break comes. */
const MOST_HELD = 1024 * 1024;

/** Keeps what is in `secret`, a line of it or all, out of what is shown of a command that got it as its input. */
export class Mask {
  readonly #lines: ReadonlySet<string>;
  /** The longest first, as one line may contain another. */
  readonly #parts: readonly string[];

  constructor(secret: Secret) {
    const lines = secret
      .reveal()
      .toString("utf8")
      .split(/\r?\n|\r/);
    this.#lines = new Set(lines.map((line) => line.trim()).filter((line) => line.length >= SHORTEST));
    this.#parts = secret.size > LONGEST ? [] : [...this.#lines].sort((a, b) => b.length - a.length);
  }

  /** `text`, which does not end within a line. */
  in(text: string): string {
    const masked = this.#parts.reduce((rest, part) => rest.replaceAll(part, MASK), text);
    if (this.#parts.length > 0 || this.#lines.size === 0) return masked;
    return masked.replaceAll(/[^\r\n]+/g, (line) => (this.#lines.has(line.trim()) ? MASK : line));
  }

  /** A result as others may see it. */
  inResult({ exit, stdout, stderr }: CommandResult): CommandResult {
    return { exit, stdout: this.in(stdout), stderr: this.in(stderr) };
  }

  /** Passes on to `output`, line by line, what a command prints; `end` passes on the rest. */
  passing(output: Output): { readonly output: Output; readonly end: () => void } {
    const held = { stdout: "", stderr: "" };
    const pass = (stream: keyof typeof held, text: string) => {
      if (text !== "") output(stream, this.in(text));
    };
    return {
      output: (stream, text) => {
        const whole = held[stream] + text;
        const end =
          whole.length > MOST_HELD
            ? whole.length
            : Math.max(...["\n", "\r"].map((each) => whole.lastIndexOf(each))) + 1;
        held[stream] = whole.slice(end);
        pass(stream, whole.slice(0, end));
      },
      end: () => {
        for (const stream of ["stdout", "stderr"] as const) pass(stream, held[stream]);
      },
    };
  }
}
