import type { StatementLines } from "./_input-compiler";

/** An input in pasted text. */
export interface PastedInput {
  readonly text: string;
  /** False: its last line has no end, so the user goes on typing it. */
  readonly complete: boolean;
}

/** What a terminal sends around pasted text, once it has been asked to with `MARK_PASTES`. */
export const PASTE_START = "\u001b[200~";
export const PASTE_END = "\u001b[201~";
export const MARK_PASTES = "\u001b[?2004h";
export const DO_NOT_MARK_PASTES = "\u001b[?2004l";

/**
 * The pasted text at the beginning of `keys`, and the length of it with its marks; undefined if it begins with typed keys. From
 * a terminal without marks, several lines that arrive at once are pasted.
 */
export function pastedPart(
  keys: Buffer,
): { readonly text: string; readonly length: number } | "unfinished" | undefined {
  if (keys.indexOf(PASTE_START) === 0) {
    const end = keys.indexOf(PASTE_END);
    if (end < 0) return "unfinished";
    const text = keys.subarray(PASTE_START.length, end).toString();
    return { text, length: end + PASTE_END.length };
  }
  const marked = keys.indexOf(PASTE_START);
  const plain = marked < 0 ? keys : keys.subarray(0, marked);
  const text = plain.toString();
  const line = /[\r\n]/.exec(text)?.index ?? text.length;
  const isPaste = text.slice(line).trim() !== "" && !CONTROL.test(text);
  return isPaste ? { text, length: plain.length } : undefined;
}

/** Keys that move or edit. Code has none of these characters. */
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

export const withoutPasteMarks = (keys: Buffer): Buffer =>
  keys.includes("\u001b[20")
    ? Buffer.from(keys.toString("latin1").replaceAll(PASTE_START, "").replaceAll(PASTE_END, ""), "latin1")
    : keys;

/**
 * Splits pasted text into inputs: each has one statement, or several that share a line, so that a line which goes on with
 * the statement above (`.map(…)`, `else`) is no input of its own. `statementLines`: as in `_language.ts`. `isCommand`: whether a
 * line is a dot-command. Text that does not parse is a single input.
 */
export function pastedInputs(
  pasted: string,
  statementLines: (code: string) => readonly StatementLines[] | undefined,
  isCommand: (lines: readonly string[], index: number) => boolean,
): PastedInput[] {
  const lines = pasted.replaceAll(/\r\n?/g, "\n").split("\n");
  const isEnded = lines.at(-1)?.trim() === "";
  if (isEnded) lines.pop();
  const commands = lines.flatMap((_, index) => (isCommand(lines, index) ? [index] : []));
  const code = lines.map((line, index) => (commands.includes(index) || /^\s*#/.test(line) ? "" : line));
  const statements = statementLines(code.join("\n")) ?? [{ first: 0, last: lines.length - 1 }];
  const ranges = [...statements, ...commands.map((index) => ({ first: index, last: index }))];
  return ranges
    .toSorted((a, b) => a.first - b.first)
    .map(({ first, last }) => ({
      text: lines.slice(first, last + 1).join("\n"),
      complete: isEnded || last < lines.length - 1,
    }));
}
