/** INI files: settings below `[section]`, in the dialects of their readers. Pure: lines in, lines out. */
import { lastWins } from "./_conf";
import { generic, type IniDialect } from "./_iniDialects";

/** `section` is null for settings before the first header. */
export type Triple = readonly [section: string | null, key: string, value: string];

/**
 * `lines` with each of `triples` set. The first line of a key in its section becomes the active one, even if it was commented out;
 * later ones are commented out. A key is left alone if its only active line already has the value, and so is everything else. All parts
 * of a section count as one. A new key goes after the last setting of its section; new sections go to the end, sorted by name.
 */
export function withIniSettings(
  lines: readonly string[],
  triples: readonly Triple[],
  dialect: IniDialect = generic,
): string[] {
  const mark = lines[0]?.startsWith(BOM) ? BOM : "";
  const wanted = (key: string) => triples.some((triple) => dialect.sameKey(triple[1], key));
  const rows = parse(mark === "" ? lines : lines.with(0, (lines[0] ?? "").slice(1)), dialect, wanted);
  const missing = new Map<string | null, (readonly [string, string])[]>();
  for (const [section, pairs] of bySection(triples)) {
    const left = pairs.filter(([key, value]) => !set(rows, section, key, value, dialect));
    if (left.length > 0) missing.set(section, left);
  }
  const before = insert(rows, missing, dialect);
  const all = appendSections([...before, ...rows.flatMap(printed)], missing, dialect);
  return mark === "" ? all : [mark + (all[0] ?? ""), ...all.slice(1)];
}

/** The mark that some editors put at the beginning of a file. */
const BOM = "\ufeff";

interface IniSetting {
  /** What stands before the key: blanks, or a header. */
  readonly prefix: string;
  readonly key: string;
  readonly separator: string;
  /** The value as written, with the lines that continue it; undefined: the key stands alone. */
  readonly value: string | undefined;
  readonly commented: boolean;
  /** The blanks that it should have before it, where a reader could take it for a part of the value before it. */
  readonly misplaced?: string;
}

/** A line of the file with those that continue it, and the new lines that follow it. */
interface Row {
  text: readonly string[];
  readonly below: string[];
  /** The section that it starts or belongs to. */
  readonly section: string | null;
  readonly header: boolean;
  readonly setting: IniSetting | undefined;
}

const printed = ({ text, below }: Row): readonly string[] => [...text, ...below];

/** `wanted`: keys that are not taken for a part of the value before them, as some readers do. */
function parse(lines: readonly string[], dialect: IniDialect, wanted: (key: string) => boolean): Row[] {
  const rows: Row[] = [];
  let section: string | null = null;
  let around: string | undefined;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const marker = dialect.marker.exec(line)?.[0] ?? "";
    const header = marker === "" ? dialect.header.exec(line) : null;
    if (header) section = header[1] ?? "";
    const prefix = header
      ? line.slice(0, line.length - (header[2] ?? "").length)
      : marker || (/^[ \t]*/.exec(line)?.[0] ?? "");
    const own = header && !header[2] ? undefined : dialect.setting.exec(line.slice(prefix.length));
    const [end, inside] = own && marker === "" ? endOf(lines, at, dialect, wanted) : [at];
    const text = lines.slice(at, end + 1);
    at = end;
    const [, key = "", separator = ""] = own ?? [];
    const value = own?.[3] === undefined ? undefined : [own[3], ...text.slice(1)].join("\n");
    rows.push({
      text,
      below: [],
      section,
      header: header !== null,
      setting: own
        ? {
            prefix,
            key,
            separator,
            value,
            commented: marker !== "",
            ...(around !== undefined && { misplaced: around }),
          }
        : undefined,
    });
    if (inside) around ??= prefix;
    else if (line.trim() !== "" && marker === "") around = undefined;
  }
  return rows;
}

/** The last line of the value that begins on line `at`, and whether the next line looks like a part of it, but is `wanted`. */
function endOf(
  lines: readonly string[],
  at: number,
  { continues, marker, setting }: IniDialect,
  wanted: (key: string) => boolean,
): [end: number, inside?: true] {
  let end = at;
  if (continues === "backslash") {
    while (/(^|[^\\])(\\\\)*\\$/.test(lines[end] ?? "") && end + 1 < lines.length) end += 1;
  } else if (continues === "indent") {
    const indent = indentOf(lines[at] ?? "");
    for (let next = at + 1; next < lines.length; next += 1) {
      const line = lines[next] ?? "";
      if (line.trim() === "" || marker.test(line)) continue;
      if (indentOf(line) <= indent) break;
      const [, key, separator] = setting.exec(line.trimStart()) ?? [];
      if (key !== undefined && separator?.includes("=") && wanted(key)) return [end, true];
      end = next;
    }
  }
  return [end];
}

const indentOf = (line: string): number => line.length - line.trimStart().length;

function bySection(triples: readonly Triple[]): [string | null, readonly (readonly [string, string])[]][] {
  const sections = new Map<string | null, [string, string][]>();
  for (const [section, key, value] of triples)
    sections.set(section, [...(sections.get(section) ?? []), [key, value]]);
  return [...sections].map(([section, pairs]) => [section, lastWins(pairs)]);
}

/** Sets a key that already has a line; false when it has none. */
function set(
  rows: readonly Row[],
  section: string | null,
  key: string,
  value: string,
  dialect: IniDialect,
): boolean {
  const found = rows.flatMap((row) =>
    row.setting &&
    dialect.sameSection(row.section, section) &&
    isOf(row.setting, key, dialect) &&
    !(row.setting.commented && indentedAfter(rows, row, dialect))
      ? [{ row, setting: row.setting }]
      : [],
  );
  const isCleared = ({ setting }: (typeof found)[number]) =>
    !setting.commented && setting.value?.trim() === "";
  const firstValue = found.findIndex((each) => !each.setting.commented && !isCleared(each));
  const counting =
    dialect.clears && value !== ""
      ? found.filter((each, at) => !isCleared(each) || (firstValue >= 0 && at > firstValue))
      : found;
  if (counting.length === 0) return found.length > 0 && append(found.at(-1)?.row, dialect.render(key, value));
  const active = counting.filter(({ setting }) => !setting.commented);
  const wanted = meaningOf(dialect.render(key, value), dialect);
  const [only] = active;
  if (
    active.length === 1 &&
    only?.setting.value !== undefined &&
    only.setting.misplaced === undefined &&
    dialect.read(only.setting.value) === wanted
  )
    return true;
  for (const [index, { row, setting }] of counting.entries()) {
    if (index === 0) row.text = [rendered(rows, row, setting, key, value, dialect)];
    else if (!setting.commented) row.text = row.text.map((line) => commentedOut(line, setting, dialect));
  }
  return true;
}

function append(row: Row | undefined, line: string): boolean {
  row?.below.push(line);
  return row !== undefined;
}

/** Whether the setting is of `key`. A key with a colon in it ends at the first `=`. */
function isOf(
  { key, separator, value, commented }: IniSetting,
  wanted: string,
  dialect: IniDialect,
): boolean {
  if (dialect.sameKey(key, wanted)) return !commented || separator.trim() !== ":";
  const [, rest] = /^(.*?)[ \t]*=/s.exec(value ?? "") ?? [];
  return separator.includes(":") && rest !== undefined && dialect.sameKey(key + separator + rest, wanted);
}

const meaningOf = (line: string, dialect: IniDialect): string =>
  dialect.read(line.slice(line.indexOf("=") + 1).trimStart());

/** The setting with its new value, which keeps its place in the line. */
function rendered(
  rows: readonly Row[],
  row: Row,
  { commented, prefix, misplaced, key: own, separator }: IniSetting,
  key: string,
  value: string,
  dialect: IniDialect,
): string {
  if (commented) return indentAt(rows, row, dialect) + dialect.render(key, value);
  if (separator.trim() === ":" && !key.includes(":")) return prefix + own + separator + value;
  return (misplaced ?? prefix) + dialect.render(own === "" || separator.includes(":") ? key : own, value);
}

/** The blanks before a setting at or after `row`: those of the setting before it in its section, else of the one after it. */
function indentAt(rows: readonly Row[], row: Row, dialect: IniDialect): string {
  const at = rows.indexOf(row);
  const isActive = (each: Row) =>
    each.setting?.commented === false && !each.header && dialect.sameSection(each.section, row.section);
  const start = rows.slice(0, at + 1).findLastIndex(({ header }) => header);
  const found =
    rows.slice(Math.max(start, 0), at + 1).findLast(isActive) ?? rows.slice(at + 1).find(isActive);
  const own = found?.setting?.misplaced ?? found?.setting?.prefix ?? "";
  if (dialect.continues !== "indent") return own;
  const [next = ""] = /^[ \t]*/.exec(rows[at + 1 + blankAt(rows, at + 1)]?.text[0] ?? "") ?? [];
  return next.length > own.length ? next : own;
}

/** A line of a setting as a comment. What stands before a setting on the line of a header stays. */
function commentedOut(
  line: string,
  { prefix, key, separator, value }: IniSetting,
  dialect: IniDialect,
): string {
  if (prefix.trim() !== "" && line.startsWith(prefix))
    return prefix + dialect.comment + line.slice(prefix.length);
  const isPlain =
    value !== undefined &&
    !value.includes("\n") &&
    separator.trim() === "=" &&
    dialect.continues === "indent";
  return dialect.comment + (isPlain ? `${key}=${value.trim()}` : line.trimStart());
}

/** How many blank lines and comments there are at `at`. */
function blankAt(rows: readonly Row[], at: number): number {
  const isBlank = ({ text: [line = ""], setting }: Row) =>
    line.trim() === "" || setting?.commented || /^[ \t]*[#;]/.test(line);
  const count = rows.slice(at).findIndex((row) => !isBlank(row));
  return count < 0 ? rows.length - at : count;
}

/** What follows `row` and would be a part of its value, if it were a setting: an indented line that is none. */
function indentedAfter(rows: readonly Row[], row: Row, { continues }: IniDialect): Row | undefined {
  if (continues !== "indent") return undefined;
  const at = rows.indexOf(row) + 1;
  const next = rows[at + blankAt(rows, at)];
  return next && !next.setting && !next.header && /^[ \t]/.test(next.text[0] ?? "") ? next : undefined;
}

/**
 * Inserts new lines into existing sections, and removes these from `missing`. Returns the lines that must come before
 * everything else.
 */
function insert(
  rows: readonly Row[],
  missing: Map<string | null, (readonly [string, string])[]>,
  dialect: IniDialect,
): string[] {
  for (const [section, added] of missing) {
    const own = rows.filter((row) => dialect.sameSection(row.section, section));
    let anchor =
      own.findLast(({ setting }) => setting) ??
      own.find(({ header }) => header) ??
      (section === null ? own.at(-1) : undefined);
    if (!anchor && section !== null) continue;
    missing.delete(section);
    for (let next = anchor; next; next = indentedAfter(rows, next, dialect)) anchor = next;
    const indent = anchor ? indentAt(rows, anchor, dialect) : "";
    const lines = added.map(([key, value]) => indent + dialect.render(key, value));
    if (!anchor) return lines;
    anchor.below.push(...lines);
  }
  return [];
}

function appendSections(
  lines: string[],
  missing: ReadonlyMap<string | null, readonly (readonly [string, string])[]>,
  dialect: IniDialect,
): string[] {
  const sections = [...missing].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  for (const [section, added] of sections) {
    if (lines.length > 0 && lines.at(-1) !== "") lines.push("");
    lines.push(`[${section}]`, ...added.map(([key, value]) => dialect.render(key, value)));
  }
  return lines;
}
