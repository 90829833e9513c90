/** hosts(5): an address and its names on each line; the first name is the canonical one. Pure: lines in, lines out. */

/** An address and the names that resolve to it. */
export interface HostsEntry {
  readonly address: string;
  /** The canonical name first. */
  readonly names: readonly string[];
}

/**
 * `lines` with `entry`: the first line of the address begins with its names, and keeps its other names and its comment. A new line
 * goes to the end, or before a line that gives the canonical name another address: the first line of a name counts.
 */
export function withEntry(lines: readonly string[], entry: HostsEntry): string[] {
  const rows = lines.map(parse);
  const at = rows.findIndex((row) => row && isOf(row, entry.address));
  const own = rows[at];
  const text = own ? withNames(own, entry.names) : [entry.address, entry.names.join(" ")].join("\t");
  const shadow = rows.findIndex((row) => row && shadows(row, entry));
  const isShadowed = shadow >= 0 && (at < 0 || shadow < at);
  if (own && !isShadowed) return lines.with(at, text);
  const others = at < 0 ? lines : lines.toSpliced(at, 1);
  return others.toSpliced(isShadowed ? shadow : others.length, 0, text);
}

/** `lines` without the names of `entry` on lines of its address. A line on which no name is left goes. */
export const withoutEntry = (lines: readonly string[], { address, names }: HostsEntry): string[] =>
  lines.flatMap((line) => {
    const row = parse(line);
    if (!row || !isOf(row, address) || !namesOf(row).some((name) => isAmong(name, names))) return [line];
    const left = without(row.names, names);
    return left === "" ? [] : [row.start + left + row.end];
  });

/** A line with an address. Its parts make up the line. */
interface Row {
  /** The address, and the blanks around it. */
  readonly start: string;
  readonly address: string;
  /** The names, and the blanks between them. */
  readonly names: string;
  /** The blanks after the names, and the comment. */
  readonly end: string;
}

function parse(line: string): Row | undefined {
  const [, start, address, rest] = /^([ \t]*([^\s#]+)[ \t]+)(.*)$/s.exec(line) ?? [];
  if (start === undefined || address === undefined || rest === undefined) return undefined;
  const names = rest.replace(/#.*$/s, "").trimEnd();
  return names === "" ? undefined : { start, address, names, end: rest.slice(names.length) };
}

const namesOf = ({ names }: Row): string[] => names.split(/\s+/);

/** As the resolver, which does not tell capital letters from small ones. */
const isAmong = (name: string, names: readonly string[]): boolean =>
  names.some((each) => each.toLowerCase() === name.toLowerCase());

const isOf = (row: Row, address: string): boolean => canonical(row.address) === canonical(address);

/** One spelling of an address: "::1" is "0:0:0:0:0:0:0:1". */
function canonical(address: string): string {
  if (!address.includes(":")) return address;
  try {
    return new URL(`http://[${address}]`).hostname;
  } catch {
    return address.toLowerCase();
  }
}

/** Whether the line gives the canonical name another address of the same family. */
const shadows = (row: Row, { address, names }: HostsEntry): boolean =>
  !isOf(row, address) &&
  row.address.includes(":") === address.includes(":") &&
  isAmong(names[0] ?? "", namesOf(row));

function withNames(row: Row, names: readonly string[]): string {
  const present = namesOf(row);
  const holds =
    present[0]?.toLowerCase() === names[0]?.toLowerCase() && names.every((name) => isAmong(name, present));
  const text = holds ? row.names : [names.join(" "), without(row.names, names)].join(" ").trimEnd();
  return row.start + text + row.end;
}

/** The text of names without those that are `unwanted`, and without the blanks after them. */
const without = (text: string, unwanted: readonly string[]): string =>
  (text.match(/\S+\s*/g) ?? [])
    .filter((each) => !isAmong(each.trimEnd(), unwanted))
    .join("")
    .trimEnd();
