/** Tables of words, one entry a line, such as fstab(5) and crypttab(5). Pure: lines in, lines out. */
import { FailedChange } from "consfigurator";

/** Says of an entry: whatever source the line has that is there. */
export const PLACEHOLDER = "PLACEHOLDER";

/** Which word of a line is what, counted from 0. */
export interface Columns {
  readonly source: number;
  readonly target: number;
  /** The source of a line that has none. */
  readonly noSource?: string;
}

/**
 * `lines` with each of `entries`. The first line of the same target (of swap space: of the same source) becomes the
 * entry, but keeps its source when the entry names none; the others are added at the end. A line then stands after
 * each line on whose target its own target or source lies. Comments are never taken for entries. Throws `FailedChange`
 * for a `PLACEHOLDER` that nothing is known of.
 */
export function updatedTable(
  lines: readonly string[],
  entries: readonly string[],
  columns: Columns,
): string[] {
  const result = [...lines];
  const taken = new Set<number>();
  for (const entry of entries) {
    const words = wordsOf(entry);
    const at = result.findIndex(
      (line, index) =>
        !taken.has(index) && isEntry(line) && keyOf(wordsOf(line), columns) === keyOf(words, columns),
    );
    const old = at < 0 ? undefined : wordsOf(result[at] ?? "");
    const merged = withSource(words, old, columns, entry);
    if (at < 0) taken.add(result.push(merged.join(" ")) - 1);
    else {
      if (merged.join(" ") !== old?.join(" ")) result[at] = merged.join(" ");
      taken.add(at);
    }
  }
  return inOrder(result, columns);
}

const wordsOf = (line: string): string[] => line.trim().split(/\s+/);

const isEntry = (line: string): boolean => line.trim() !== "" && !line.trimStart().startsWith("#");

/** What tells one line from another: where it is mounted; swap space is nowhere, so its source. */
function keyOf(words: readonly string[], { source, target }: Columns): string {
  const place = words[target] ?? "";
  return place === "none" || place === "swap" ? `from ${words[source]}` : withoutSlash(place);
}

function withSource(
  words: readonly string[],
  old: readonly string[] | undefined,
  columns: Columns,
  entry: string,
): readonly string[] {
  const { source, noSource = "none" } = columns;
  const own = words[source];
  const known = old?.[source];
  const namesNone = own === PLACEHOLDER || own === noSource;
  if (namesNone && known !== undefined && known !== noSource) return words.with(source, known);
  if (own === PLACEHOLDER)
    throw new FailedChange(`nothing says what stands for ${PLACEHOLDER} in the entry "${entry}"`);
  return words;
}

/** Each line after those on which it depends, moved no more than that takes. Lines in a circle stay as they are. */
function inOrder(lines: readonly string[], columns: Columns): string[] {
  const words = lines.map((line) => (isEntry(line) ? wordsOf(line) : undefined));
  const under = words.map((own) =>
    words.flatMap((other, at) => (own && other && own !== other && liesOn(own, other, columns) ? [at] : [])),
  );
  const ordered: string[] = [];
  const seen = new Set<number>();
  const place = (at: number): void => {
    if (seen.has(at)) return;
    seen.add(at);
    for (const other of under[at] ?? []) if (!reachable(under, other).has(at)) place(other);
    ordered.push(lines[at] ?? "");
  };
  for (const at of lines.keys()) place(at);
  return ordered;
}

/** All that `from` depends on, also through others. */
function reachable(
  under: readonly (readonly number[])[],
  from: number,
  found = new Set<number>(),
): Set<number> {
  for (const at of under[from] ?? []) if (!found.has(at)) reachable(under, at, found.add(at));
  return found;
}

/** Whether the target or the source of `words` is a path strictly below the target of `other`. */
function liesOn(words: readonly string[], other: readonly string[], { source, target }: Columns): boolean {
  const mountPoint = other[target] ?? "";
  if (!mountPoint.startsWith("/")) return false;
  const top = withoutSlash(mountPoint);
  const below = top === "/" ? "/" : `${top}/`;
  return [words[target], words[source]].some((word) => word?.startsWith(below) && withoutSlash(word) !== top);
}

const withoutSlash = (path: string): string => path.replace(/(?<=.)\/+$/, "");
