/** INI files: `key=value` below `[section]`. Pure: lines in, lines out. */
import { holds, lastWins, type Setting } from "./_conf";

/** `section` is null for settings before the first header. */
export type Triple = readonly [section: string | null, key: string, value: string];

/**
 * `lines` with each of `triples` set, by the rules of `withSettings` within each section; all parts of a section count
 * as one. A new key goes after the last setting of its section; new sections go to the end, sorted by name.
 */
export function withIniSettings(lines: readonly string[], triples: readonly Triple[]): string[] {
  const rows = parse(lines);
  const missing = new Map<string | null, string[]>();
  for (const [section, pairs] of bySection(triples)) {
    const left = pairs.filter(([key, value]) => !set(rows, section, key, value));
    if (left.length > 0)
      missing.set(
        section,
        left.map(([key, value]) => render(key, value)),
      );
  }
  const before = insert(rows, missing);
  return appendSections([...before, ...rows.flatMap(({ text, below }) => [text, ...below])], missing);
}

/** One line of the file, and the new lines that follow it. */
interface Row {
  text: string;
  readonly below: string[];
  /** The section that it starts or belongs to. */
  readonly section: string | null;
  readonly header: boolean;
  readonly setting: Setting | undefined;
}

function parse(lines: readonly string[]): Row[] {
  let section: string | null = null;
  return lines.map((text) => {
    const header = /^\[(.+)\]$/.exec(text)?.[1];
    if (header !== undefined) section = header;
    return {
      text,
      below: [],
      section,
      header: header !== undefined,
      setting: header === undefined ? parseSetting(text) : undefined,
    };
  });
}

function parseSetting(line: string): Setting | undefined {
  const marker = /^[#;]+\s*/.exec(line)?.[0] ?? "";
  const match = /^([^\s=](?:[^=]*[^\s=])?)\s*=\s*(.*)/.exec(line.slice(marker.length));
  if (!match) return undefined;
  const [, key = "", value = ""] = match;
  return { key, value: value.trim(), commented: marker !== "" };
}

function bySection(triples: readonly Triple[]): [string | null, readonly (readonly [string, string])[]][] {
  const sections = new Map<string | null, [string, string][]>();
  for (const [section, key, value] of triples)
    sections.set(section, [...(sections.get(section) ?? []), [key, value]]);
  return [...sections].map(([section, pairs]) => [section, lastWins(pairs)]);
}

/** Sets a key that already has a line; false when it has none. */
function set(rows: readonly Row[], section: string | null, key: string, value: string): boolean {
  const found = rows.flatMap((row) =>
    row.section === section && row.setting?.key === key ? [{ row, setting: row.setting }] : [],
  );
  if (found.length === 0) return false;
  if (
    holds(
      found.map(({ setting }) => setting),
      value,
    )
  )
    return true;
  for (const [index, { row, setting }] of found.entries()) {
    if (index === 0) row.text = render(key, value);
    else if (!setting.commented) row.text = `# ${render(key, setting.value)}`;
  }
  return true;
}

/**
 * Inserts new lines into existing sections, and removes these from `missing`. Returns the lines that must come before
 * everything else.
 */
function insert(rows: readonly Row[], missing: Map<string | null, string[]>): string[] {
  for (const [section, added] of missing) {
    const own = rows.filter((row) => row.section === section);
    const anchor =
      own.findLast(({ setting }) => setting) ??
      own.find(({ header }) => header) ??
      (section === null ? own.at(-1) : undefined);
    if (!anchor && section !== null) continue;
    missing.delete(section);
    if (!anchor) return added;
    anchor.below.push(...added);
  }
  return [];
}

function appendSections(lines: string[], missing: ReadonlyMap<string | null, readonly string[]>): string[] {
  const sections = [...missing].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  for (const [section, added] of sections) {
    if (lines.length > 0 && lines.at(-1) !== "") lines.push("");
    lines.push(`[${section}]`, ...added);
  }
  return lines;
}

const render = (key: string, value: string): string => `${key}=${value}`;
