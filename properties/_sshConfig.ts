/**
 * sshd_config(5) and ssh_config(5): a keyword and its arguments on each line, in the global section or in the block of a `Match` or
 * `Host` line, which goes on to the next such line. The first value of a keyword counts. Pure: lines in, lines out.
 */

/** A keyword and its values; a keyword such as `Port` may have several, one on each line. */
export type SshSetting = readonly [keyword: string, values: readonly string[]];

/** The block to edit: its first word, and what it is for. */
export interface Block {
  readonly keyword: "Match" | "Host";
  readonly criteria: string;
}

/** One line of a file. Its parts make up the line. */
export interface SshLine {
  readonly indent: string;
  /** The comment marker and the blanks after it; empty: not a comment. */
  readonly marker: string;
  readonly keyword: string;
  /** What is between keyword and value. */
  readonly separator: string;
  readonly value: string;
  /** Blanks and a comment at the end. */
  readonly end: string;
}

/** The setting on `line`, which may be commented out; undefined when there is none. */
export function parseSshLine(line: string): SshLine | undefined {
  const match = /^([ \t]*)(#*[ \t]*)([A-Za-z][A-Za-z0-9]*)([ \t]*=[ \t]*|[ \t]+)(\S.*)$/s.exec(line);
  const [, indent = "", marker = "", keyword = "", separator = "", rest = ""] = match ?? [];
  if (!match) return undefined;
  const value = (/^(?:"[^"]*"|[^\s"#]|(?<=\S)#|"|[ \t]+(?![ \t#]|$))+/.exec(rest)?.[0] ?? rest).trimEnd();
  return { indent, marker, keyword, separator, value, end: rest.slice(value.length) };
}

export const printSshLine = ({ indent, marker, keyword, separator, value, end }: SshLine): string =>
  indent + marker + keyword + separator + value + end;

/**
 * `lines` with each of `settings` in the global section, or in `block`; a new block goes to the end, but before one that is for
 * everything. A line that has the keyword already gets the value; else one that is commented out does; else a new line is inserted.
 * Further lines of a keyword are commented out where they would add a value. `early`: lower-case keywords that included files set: theirs
 * would count, if ours did not come first.
 */
export function withSshSettings(
  lines: readonly string[],
  settings: readonly SshSetting[],
  block?: Block,
  early: ReadonlySet<string> = new Set(),
): string[] {
  const result = [...lines];
  if (block && !sectionsOf(result).some(({ header }) => isBlock(header, block))) addBlock(result, block);
  for (const [keyword, values] of settings)
    setKeyword(result, keyword, values, block, early.has(keyword.toLowerCase()));
  return result;
}

/** The lower-case keywords that are set in the global section of `lines`. */
export const globalKeywords = (lines: readonly string[]): Set<string> => {
  const [first] = sectionsOf(lines);
  return new Set(
    lines.slice(first?.start, first?.end).flatMap((line) => {
      const found = parseSshLine(line);
      return found && found.marker === "" ? [found.keyword.toLowerCase()] : [];
    }),
  );
};

/** The patterns of files that are included in the global section, in order. */
export const includedBy = (lines: readonly string[]): string[] => {
  const [first] = sectionsOf(lines);
  return lines.slice(first?.start, first?.end).flatMap((line) => {
    const found = parseSshLine(line);
    return found && isActive(found, "include") ? words(found.value) : [];
  });
};

/** A part of a file: the global section, which has no header, or a block. */
interface Section {
  readonly header: SshLine | undefined;
  /** The first line, without the header. */
  readonly start: number;
  /** The first line after it. */
  readonly end: number;
}

function sectionsOf(lines: readonly string[]): Section[] {
  const headers = lines.flatMap((line, at) => {
    const found = parseSshLine(line);
    return found && found.marker === "" && /^(match|host)$/i.test(found.keyword)
      ? [{ header: found, at }]
      : [];
  });
  return [{ header: undefined, at: -1 }, ...headers].map(({ header, at }, index) => ({
    header,
    start: at + 1,
    end: headers[index]?.at ?? lines.length,
  }));
}

/** Words, without the quotes around them. */
const words = (text: string): string[] =>
  (text.match(/"[^"]*"|[^\s"]+/g) ?? []).map((word) => word.replace(/^"(.*)"$/s, "$1"));

const isActive = (line: SshLine, keyword: string): boolean =>
  line.marker === "" && line.keyword.toLowerCase() === keyword.toLowerCase();

/** Whether both are for the same: the names of criteria are not case-sensitive, and both `User=x` and `User x` are allowed. */
function isBlock(header: SshLine | undefined, { keyword, criteria }: Block): boolean {
  if (header?.keyword.toLowerCase() !== keyword.toLowerCase()) return false;
  const normalised = (text: string) =>
    words(keyword === "Match" ? text.replace(/(?<=^|\s)([A-Za-z]+)[ \t]*=[ \t]*/g, "$1 ") : text)
      .map((word, at) => (keyword === "Match" && at % 2 === 0 ? word.toLowerCase() : word))
      .join(" ");
  return normalised(header.value) === normalised(criteria);
}

function addBlock(lines: string[], { keyword, criteria }: Block): void {
  const header = `${keyword} ${criteria}`;
  const forAll = sectionsOf(lines).find(({ header }) => header && isForAll(header));
  if (forAll) lines.splice(beforeComments(lines, forAll.start - 1), 0, header, "");
  else lines.push(...(lines.length > 0 && lines.at(-1)?.trim() !== "" ? [""] : []), header);
}

const isForAll = ({ keyword, value }: SshLine): boolean =>
  keyword.toLowerCase() === "host" ? words(value).includes("*") : words(value)[0]?.toLowerCase() === "all";

/** The first of the comments right before line `at`. */
function beforeComments(lines: readonly string[], at: number): number {
  let first = at;
  while (first > 0 && /^[ \t]*#/.test(lines[first - 1] ?? "")) first -= 1;
  return first;
}

function setKeyword(
  lines: string[],
  keyword: string,
  values: readonly string[],
  block: Block | undefined,
  isEarly: boolean,
): void {
  const rows = sectionsOf(lines)
    .filter(({ header }) => (block ? isBlock(header, block) : !header))
    .flatMap(({ start, end }) =>
      lines.slice(start, end).map((line, at) => ({ at: start + at, line: parseSshLine(line) })),
    );
  const own = rows.flatMap(({ at, line }) =>
    line?.keyword.toLowerCase() === keyword.toLowerCase() ? [{ at, line }] : [],
  );
  const include = isEarly ? rows.find(({ line }) => line && isActive(line, "include"))?.at : undefined;
  const active = own.filter(({ at, line }) => line.marker === "" && (include === undefined || at < include));
  const [first] = values;
  const isSingle = values.length === 1 && !repeats.has(keyword.toLowerCase());
  if (
    isSingle
      ? isSame(active[0]?.line, first)
      : active.length === values.length && values.every((value, at) => isSame(active[at]?.line, value))
  )
    return;
  const candidates =
    active.length > 0 || include !== undefined
      ? active
      : own.filter(({ line }) => mayActivate(line, first ?? ""));
  let last = -1;
  for (const [index, { at, line }] of candidates.entries()) {
    const value = values[index];
    if (value !== undefined) {
      if (!isSame(line, value))
        lines[at] = printSshLine({ ...line, marker: "", value, end: line.marker === "" ? line.end : "" });
      last = at;
    } else if (line.marker === "" && !isSingle) lines[at] = printSshLine({ ...line, marker: "# " });
  }
  const added = values.slice(candidates.length);
  if (added.length === 0) return;
  const { at, indent } =
    last >= 0 ? { at: last + 1, indent: candidates[0]?.line.indent ?? "" } : newPlace(lines, block, include);
  lines.splice(at, 0, ...added.map((value) => `${indent}${keyword} ${value}`));
}

/** Keywords of which every line counts, in sshd_config and in ssh_config. */
const repeats = new Set([
  ...["acceptenv", "allowgroups", "allowusers", "denygroups", "denyusers", "hostcertificate", "hostkey"],
  ...["listenaddress", "port", "subsystem"],
  ...["certificatefile", "dynamicforward", "identityfile", "localforward", "remoteforward", "sendenv"],
]);

/** Whether `line` has this value and is no comment. */
const isSame = (line: SshLine | undefined, value = ""): boolean =>
  line?.marker === "" && line.value.replace(/\s+/g, " ") === value.trim().replace(/\s+/g, " ");

/** Whether this line, a comment, may become a setting: a sentence that begins with the keyword may not. */
const mayActivate = ({ marker, value, end }: SshLine, wanted: string): boolean =>
  marker !== "" && (!/\s$/.test(marker) || words(value + end).length === words(wanted).length);

/** Where a new line goes: behind the last setting of its section, and of the global one before the comments of the first block. */
function newPlace(
  lines: readonly string[],
  block: Block | undefined,
  include: number | undefined,
): { at: number; indent: string } {
  if (include !== undefined) return { at: include, indent: "" };
  const sections = sectionsOf(lines);
  const section = sections.find(({ header }) => (block ? isBlock(header, block) : !header)) ?? {
    start: 0,
    end: lines.length,
  };
  const settings = lines.slice(section.start, section.end).map(parseSshLine);
  const last = settings.findLastIndex((line) => line?.marker === "");
  if (block) return { at: section.start + last + 1, indent: settings[last]?.indent ?? "\t" };
  if (sections.length === 1) return { at: section.end, indent: "" };
  let at = beforeComments(lines, section.end);
  while (at > 0 && (lines[at - 1] ?? "").trim() === "") at -= 1;
  return { at, indent: "" };
}
