import { stripVTControlCharacters } from "node:util";

/** The maximum text width: the terminal's, or 100 without a terminal. */
export const columns = (): number => process.stdout.columns ?? 100;

/** Wraps `text` to `width`, indenting each line with `indent`. Paragraphs and list items stay separate. */
export function wrapped(text: string, indent: string, width = columns()): string {
  const blocks = text.split(/\n(?=\s*(?:[-*@]|\d+\.)\s?|\s*\n)|\n\s*\n/);
  const isItem = (block = "") => /^\s*[-*]\s/.test(block);
  return blocks
    .flatMap((block, index) => {
      const hanging = isItem(block) ? `${indent}  ` : indent;
      const endsList = isItem(blocks[index - 1]) && !isItem(block) && block.trim() !== "";
      return [...(endsList ? [indent] : []), ...filled(block.trim().split(/\s+/), indent, hanging, width)];
    })
    .join("\n");
}

/** Wraps `text` at words for the terminal's width; without a terminal it is left unchanged. */
export function fitted(text: string, indent = ""): string[] {
  const width = process.stdout.columns;
  return text
    .split("\n")
    .flatMap((line) =>
      width === undefined || indent.length + line.length < width
        ? [indent + line]
        : filled(line.split(" "), indent, indent, width),
    );
}

/** Wraps code for the terminal's width between its words, never inside a string, so that it can be pasted back. */
export function fittedCode(code: string): string[] {
  const width = process.stdout.columns;
  return code.split("\n").flatMap((line) => {
    if (width === undefined || lengthOf(line) < width) return [line];
    const indent = /^ */.exec(line)?.[0] ?? "";
    return filled(codeWords(line.slice(indent.length)), indent, `${indent}  `, width);
  });
}

/** The parts of a line of code between which it may be broken. */
const codeWords = (line: string): string[] =>
  line.match(/(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|[^ ])+/g) ?? [line];

/** The columns that `text` takes, without its colours. */
const lengthOf = (text: string): number => stripVTControlCharacters(text).length;

/** `text` to the right of `head`, which is `width` columns wide; further lines are aligned with the first. */
export function beside(head: string, width: number, text: string): string {
  const [first = "", ...more] = fitted(text, " ".repeat(width));
  return [head + first.slice(width), ...more].join("\n");
}

function filled(words: readonly string[], first: string, others: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    const start = lines.length === 0 ? first : others;
    if (line && start.length + lengthOf(line) + 1 + lengthOf(word) >= width) {
      lines.push(start + line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, (lines.length === 0 ? first : others) + line];
}

/** Truncates `text` to `width`, marking the cut with an ellipsis. */
export const cut = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text;
