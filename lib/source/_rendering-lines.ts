/** Part of a parsed template: escaped text, or a tag. */
type Part = string | { readonly t: string; readonly val: string };

/**
 * `parts`, without the lines that have nothing but tags that print nothing, as with Jinja's trim_blocks and lstrip_blocks: a
 * loop leaves no empty lines in a configuration file, and what is printed keeps its own.
 */
export function clearedLines<P extends Part>(parts: readonly P[]): P[] {
  const result: Part[] = [...parts];
  /** Texts that begin a line. */
  const beginning = new Set([0]);
  for (let from = 0; from < result.length; from += 1) {
    const before = result[from - 1];
    if (!isSilent(result[from]) || !startsLine(before, beginning.has(from - 1))) continue;
    let to = from;
    while (isSilent(result[to + 1])) to += 1;
    const after = result[to + 1];
    const rest = after === undefined ? "" : typeof after === "string" ? endOfLine(after) : undefined;
    if (rest !== undefined) {
      if (typeof before === "string") result[from - 1] = before.replace(/[ \t]*$/, "");
      if (after !== undefined) result[to + 1] = rest;
      beginning.add(to + 1);
    }
    from = to;
  }
  return result as P[];
}

const isSilent = (part: Part | undefined): boolean => typeof part === "object" && part.t === "e";

/** Whether what follows `before`, in which line feeds are `\n`, is the first of its line. */
const startsLine = (before: Part | undefined, begins: boolean): boolean =>
  before === undefined ||
  (typeof before === "string" &&
    (/^(?:[^\\]|\\.)*\\n[ \t]*$/.test(before) || (begins && /^[ \t]*$/.test(before))));

/** What follows the end of the line; undefined when something else comes first. */
const endOfLine = (text: string): string | undefined => /^[ \t]*\\n([\s\S]*)$/.exec(text)?.[1];
