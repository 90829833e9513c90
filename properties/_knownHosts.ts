/** known_hosts, sshd(8): names, type, key material, comment. Pure: lines in, lines out. */
import { createHmac } from "node:crypto";
import { parseKey } from "./_authorizedKeys";

/** The names of a host, and its keys as type and material, such as "ssh-ed25519 AAAA…". */
export interface KnownHost {
  /** The canonical name first. */
  names: string[];
  keys: string[];
}

/**
 * `lines` in which the names of `host` have its keys and no others. A line of other names, too, keeps those. Lines with patterns,
 * and those of authorities and revoked keys, stay; so do hashed names of the host, if their key is right. New lines go to the end.
 */
export function withHost(lines: readonly string[], { names, keys }: KnownHost): string[] {
  const missing = new Set(keys);
  const kept = lines.flatMap((line) => {
    const row = parse(line);
    if (!row || !isOf(row, names)) return [line];
    if (row.hashed) return keys.includes(row.key) ? [line] : [];
    if (!missing.delete(row.key)) return without(row, names);
    if (names.every((name) => isAmong(name, row.names))) return [line];
    return [withNames(row, [...names, ...others(row, names)])];
  });
  return [...kept, ...[...missing].map((key) => `${names.join(",")} ${key}`)];
}

/** `lines` in which the names of `host` do not have its keys. A line without another name goes. */
export const withoutHost = (lines: readonly string[], { names, keys }: KnownHost): string[] =>
  lines.flatMap((line) => {
    const row = parse(line);
    if (!row || !isOf(row, names) || !keys.includes(row.key)) return [line];
    return row.hashed ? [] : without(row, names);
  });

/** The name under which ssh looks up a host that listens at `port`. */
export const atPort = (name: string, port: number | undefined): string =>
  port === undefined || port === SSH ? name : `[${name}]:${port}`;

const SSH = 22;

interface Row {
  readonly names: readonly string[];
  /** Whether the only name is hashed. */
  readonly hashed: boolean;
  /** Type and material. */
  readonly key: string;
  /** The line after the names. */
  readonly rest: string;
}

/** The names and the key of a line; undefined for a comment, a marked line, and one that ssh does not understand. */
function parse(line: string): Row | undefined {
  const [, list = "", rest = ""] = /^[ \t]*([^\s#@]\S*)([ \t]+\S.*)$/.exec(line) ?? [];
  const key = parseKey(rest);
  if (key?.options !== "") return undefined;
  return { names: list.split(","), hashed: list.startsWith("|"), key: key.key, rest };
}

/** As ssh, which does not tell capital letters from small ones. */
const isAmong = (name: string, names: readonly string[]): boolean =>
  names.some((each) => each.toLowerCase() === name.toLowerCase());

const isOf = (row: Row, names: readonly string[]): boolean =>
  row.hashed
    ? names.some((name) => isHashOf(row.names[0] ?? "", name))
    : names.some((name) => isAmong(name, row.names));

/** Whether `hashed`, such as `|1|salt|hash`, stands for `name`. */
function isHashOf(hashed: string, name: string): boolean {
  const [, magic, salt = "", hash] = hashed.split("|");
  if (magic !== "1") return false;
  return createHmac("sha1", Buffer.from(salt, "base64")).update(name.toLowerCase()).digest("base64") === hash;
}

const others = (row: Row, names: readonly string[]): string[] =>
  row.names.filter((name) => !isAmong(name, names));

function without(row: Row, names: readonly string[]): string[] {
  const left = others(row, names);
  return left.some((name) => !name.startsWith("!")) ? [withNames(row, left)] : [];
}

const withNames = (row: Row, names: readonly string[]): string => names.join(",") + row.rest;
