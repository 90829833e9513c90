/** Tables of words, one entry per line, such as fstab(5) and crypttab(5). Pure: lines in, lines out. */
import { FailedChange, InapplicableProperty } from "consfigurator";

/** As the source of an entry: keep the source of the existing line. */
export const PLACEHOLDER = "PLACEHOLDER";

/** The columns of a table, counted from 0. */
export interface Columns {
  readonly source: number;
  readonly target: number;
  /** The word for no source; "none" unless given. */
  readonly noSource?: string;
}

/**
 * `lines` with each of `entries`. The first line with the same target (for swap space: the same source) becomes the
 * entry, but keeps its source when the entry names none; other entries are appended. A line then comes after every line
 * whose target contains its own target or source. Comments never count as entries, and stay above theirs. Throws `FailedChange` for a
 * `PLACEHOLDER` without a source to keep.
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

/** `lines` without those of `entries`, by target or, for swap space, by source. A line whose source was kept stays. */
export function withoutEntries(
  lines: readonly string[],
  entries: readonly string[],
  columns: Columns,
): string[] {
  const { source, noSource = "none" } = columns;
  const sources = new Map(entries.map(wordsOf).map((words) => [keyOf(words, columns), words[source]]));
  return lines.filter((line) => {
    const words = wordsOf(line);
    const own = isEntry(line) ? sources.get(keyOf(words, columns)) : undefined;
    const isKept = own === PLACEHOLDER || (own === noSource && words[source] !== noSource);
    return own === undefined || isKept;
  });
}

/** Throws `InapplicableProperty` when two of `entries` are for the same target. */
export function refuseTwice(entries: readonly string[], columns: Columns): void {
  const byKey = new Map<string, string>();
  for (const entry of entries) {
    const key = keyOf(wordsOf(entry), columns);
    const other = byKey.get(key);
    if (other !== undefined)
      throw new InapplicableProperty(
        `"${other}" and "${entry}" are entries for the same; remove one of them`,
      );
    byKey.set(key, entry);
  }
}

export const wordsOf = (line: string): string[] => line.trim().split(/\s+/);

const isEntry = (line: string): boolean => line.trim() !== "" && !line.trimStart().startsWith("#");

/** Identifies a line: by its mount point, or for swap space, which has none, by its source. */
export function keyOf(words: readonly string[], { source, target }: Columns): string {
  const mountPoint = words[target] ?? "";
  return mountPoint === "none" || mountPoint === "swap" ? `from ${words[source]}` : withoutSlash(mountPoint);
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
    throw new FailedChange(
      `the entry "${entry}" needs a source: no existing line has one for ${PLACEHOLDER}`,
    );
  return words;
}

/**
 * Each entry after those it depends on, with as few moves as possible; entries in a cycle stay in place. Comments and blank
 * lines stay above the entry that follows them.
 */
function inOrder(lines: readonly string[], columns: Columns): string[] {
  const blocks = blocksOf(lines);
  const words = blocks.map((block) =>
    isEntry(block.at(-1) ?? "") ? wordsOf(block.at(-1) ?? "") : undefined,
  );
  const under = words.map((own) =>
    words.flatMap((other, at) => (own && other && own !== other && isBelow(own, other, columns) ? [at] : [])),
  );
  const ordered: string[] = [];
  const seen = new Set<number>();
  const append = (at: number): void => {
    if (seen.has(at)) return;
    seen.add(at);
    for (const other of under[at] ?? []) if (!reachable(under, other).has(at)) append(other);
    ordered.push(...(blocks[at] ?? []));
  };
  for (const at of blocks.keys()) append(at);
  return ordered;
}

/** Each entry with the comments and blank lines above it; at the end those that no entry follows. */
function blocksOf(lines: readonly string[]): string[][] {
  const blocks: string[][] = [[]];
  for (const line of lines) {
    blocks.at(-1)?.push(line);
    if (isEntry(line)) blocks.push([]);
  }
  return blocks;
}

/** All lines that `from` depends on, directly or indirectly. */
function reachable(
  under: readonly (readonly number[])[],
  from: number,
  found = new Set<number>(),
): Set<number> {
  for (const at of under[from] ?? []) if (!found.has(at)) reachable(under, at, found.add(at));
  return found;
}

/** Whether the target of `words` is a path below the target of `other`, or its source is at or below it. */
function isBelow(words: readonly string[], other: readonly string[], { source, target }: Columns): boolean {
  const mountPoint = other[target] ?? "";
  if (!mountPoint.startsWith("/")) return false;
  const top = withoutSlash(mountPoint);
  const below = (path: string) => path !== top && path.startsWith(top === "/" ? "/" : `${top}/`);
  const [from, at] = [source, target].map((column) => withoutSlash(words[column] ?? "")) as [string, string];
  return below(at) || from === top || below(from);
}

const withoutSlash = (path: string): string => path.replace(/(?<=.)\/+$/, "");
