/**
 * Snapshots of a machine's file system, to see what a deployment changed. Only the upper directory of the machine's
 * overlay is read, so a snapshot takes milliseconds regardless of the size of the base system.
 */
import { createHash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { run } from "./_run";
import type { Machine } from "./machines";

export interface Entry {
  /** `absent`: it was removed from the base system. */
  readonly type: "file" | "directory" | "symlink" | "fifo" | "socket" | "character" | "block" | "absent";
  readonly mode: string;
  readonly owner: string;
  readonly size: bigint;
  /** SHA-256 of a file, target of a symlink, numbers of a device. */
  readonly content: string;
  /** Extended attributes and ACLs, one per line. */
  readonly attributes: string;
  readonly mtime: bigint;
  readonly ctime: bigint;
  readonly inode: bigint;
  readonly hidesBase: boolean;
}

export interface Snapshot {
  readonly base: string;
  /** By path in the machine: everything that differs from the base system. */
  readonly entries: ReadonlyMap<string, Entry>;
  readonly paths: readonly string[];
  readonly except: readonly string[];
}

export interface SnapshotOptions {
  /** Only these paths and those below them; everything by default. */
  readonly paths?: readonly string[];
  /** Without these paths and those below them, in addition to `noise`. */
  readonly except?: readonly string[];
}

/** Paths that change on an idle machine, or by logging in. */
export const noise = [
  ...["/run", "/tmp", "/var/tmp", "/var/log", "/dev", "/proc", "/sys"],
  ...["/var/lib/systemd", "/var/lib/private", "/var/cache/private", "/var/lib/sudo", "/var/lib/dbus"],
  ...["/var/cache/apt", "/var/cache/ldconfig", "/home/admin/.sudo_as_admin_successful"],
] as const;

/** Directories of this project on a host. */
export const ownCaches = [
  ...["/root/.cache", "/home/admin/.cache", "/home/plain/.cache"],
  ...["/root/.local", "/home/admin/.local", "/home/plain/.local"],
] as const;

/** Paths that differ between any two machines. */
const identities = [
  "/etc/machine-id",
  "/etc/test-machine-network",
  "/etc/ssh",
  "/var/cache/ldconfig/aux-cache",
];

/** Takes a snapshot of `machine`. */
export async function snapshot(machine: Machine, options: SnapshotOptions = {}): Promise<Snapshot> {
  const except = [...noise, ...(options.except ?? [])];
  const paths = options.paths ?? ["/"];
  const found = new Map<string, BigIntStats>();
  const visit = (file: string): void => {
    if (isBelow(file, except)) return;
    const here = path.join(machine.upper, file);
    const stats = statsOf(here);
    if (stats === undefined) return;
    found.set(file, stats);
    if (!stats.isDirectory()) return;
    for (const name of readdirSync(here).sort()) visit(path.posix.join(file, name));
  };
  visit("/");
  const attributes = await attributesOf(machine.upper, found);
  const entries = new Map<string, Entry>();
  for (const [file, stats] of found) {
    if (file === "/" || !isBelow(file, paths)) continue;
    const entry = entryOf(path.join(machine.upper, file), stats, attributes.get(file) ?? []);
    if (entry !== undefined) entries.set(file, entry);
  }
  return { base: machine.base, entries, paths, except };
}

/**
 * The paths created, removed, changed, or touched in any way (rewritten with the same content, replaced by an equal file,
 * given the same mode) between two snapshots of one machine, sorted.
 */
export function changedPaths(before: Snapshot, after: Snapshot): string[] {
  return union(before, after).filter((file) => {
    const [old, now] = [entryAt(before, file), entryAt(after, file)];
    if (old?.type === "directory" && now?.type === "directory") {
      const holdsExcepted = after.except.some((excepted) => isBelow(excepted, [file]));
      return !isSame(old, now) || (!holdsExcepted && old.mtime !== now.mtime);
    }
    if (old === undefined || now === undefined) return old?.type !== now?.type;
    return !isSame(old, now) || old.mtime !== now.mtime || old.ctime !== now.ctime || old.inode !== now.inode;
  });
}

/**
 * The differences between two machines, ignoring times and inodes: one line per path, sorted; empty when their file
 * systems are equal to their users. Host keys and similar identities are ignored.
 */
export function differences(one: Snapshot, other: Snapshot): string[] {
  return union(one, other).flatMap((file) => {
    if (isBelow(file, identities)) return [];
    const [left, right] = [entryAt(one, file), entryAt(other, file)];
    if (left === undefined || right === undefined) {
      return left?.type === right?.type
        ? []
        : [`${file}: ${left?.type ?? "absent"}, ${right?.type ?? "absent"}`];
    }
    return isSame(left, right) ? [] : [`${file}: ${describe(left)}, ${describe(right)}`];
  });
}

function union(one: Snapshot, other: Snapshot): string[] {
  return [...new Set([...one.entries.keys(), ...other.entries.keys()])].sort();
}

function isSame(one: Entry, other: Entry): boolean {
  return describe(one) === describe(other);
}

function describe({ type, mode, owner, size, content, attributes }: Entry): string {
  return [type, mode, owner, type === "file" ? `${size} bytes` : "", content, attributes]
    .filter(Boolean)
    .join(" ");
}

/** The entry at `file`: in the upper directory, or else in the base system; `undefined` when there is none. */
function entryAt(from: Snapshot, file: string): Entry | undefined {
  const entry = from.entries.get(file);
  if (entry !== undefined) return entry.type === "absent" ? undefined : entry;
  for (let parent = path.dirname(file); parent !== "/"; parent = path.dirname(parent)) {
    const above = from.entries.get(parent);
    if (above !== undefined && (above.type !== "directory" || above.hidesBase)) return undefined;
  }
  // Nothing in the base system has extended attributes.
  return readEntry(path.join(from.base, file), []);
}

function isBelow(file: string, tops: readonly string[]): boolean {
  return tops.some((top) => top === "/" || file === top || file.startsWith(`${top}/`));
}

function readEntry(file: string, attributes: readonly string[]): Entry | undefined {
  const found = statsOf(file);
  return found && entryOf(file, found, attributes);
}

const statsOf = (file: string): BigIntStats | undefined =>
  lstatSync(file, { bigint: true, throwIfNoEntry: false });

function entryOf(file: string, found: BigIntStats, attributes: readonly string[]): Entry {
  const own = attributes.filter((attribute) => !attribute.startsWith("trusted.overlay."));
  return {
    type: typeOf(found),
    mode: (found.mode & 0o7777n).toString(8).padStart(4, "0"),
    owner: `${found.uid}:${found.gid}`,
    size: found.size,
    content: contentOf(file, found),
    attributes: own.sort().join("\n"),
    mtime: found.mtimeNs,
    ctime: found.ctimeNs,
    inode: found.ino,
    hidesBase: attributes.some((attribute) => attribute.startsWith("trusted.overlay.opaque=")),
  };
}

function typeOf(found: BigIntStats): Entry["type"] {
  if (found.isFile()) return "file";
  if (found.isDirectory()) return "directory";
  if (found.isSymbolicLink()) return "symlink";
  if (found.isFIFO()) return "fifo";
  if (found.isSocket()) return "socket";
  if (found.isBlockDevice()) return "block";
  return found.rdev === 0n ? "absent" : "character";
}

function contentOf(file: string, found: BigIntStats): string {
  if (found.isFile()) return digestOf(file, found);
  if (found.isSymbolicLink()) return `-> ${readlinkSync(file)}`;
  return found.isBlockDevice() || found.isCharacterDevice() ? `device ${found.rdev}` : "";
}

/** Digests of files, by what changes whenever their content does: most files are in many snapshots. */
const digests = new Map<string, string>();

/** Extended attributes, by what changes whenever they do. */
const knownAttributes = new Map<string, readonly string[]>();

/** Milliseconds after a change in which another one may leave the times of a file as they are. */
const CLOCK_TICK = 100;

const identityOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(" ");

const isSettled = ({ ctimeMs }: BigIntStats, at = Date.now()): boolean => at - Number(ctimeMs) > CLOCK_TICK;

function digestOf(file: string, stats: BigIntStats): string {
  const key = identityOf(stats);
  const known = digests.get(key);
  if (known !== undefined) return known;
  const settled = isSettled(stats);
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  if (settled) digests.set(key, digest);
  return digest;
}

/** More paths than these do not fit into one command. */
const MOST_PATHS = 400;

/** The extended attributes of the files `found` below `directory`, by path from there. Unchanged files are not read again. */
async function attributesOf(
  directory: string,
  found: ReadonlyMap<string, BigIntStats>,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const attributes = new Map<string, readonly string[]>();
  const unknown: string[] = [];
  for (const [file, stats] of found) {
    const known = knownAttributes.get(identityOf(stats));
    if (known) attributes.set(file, known);
    else unknown.push(file);
  }
  if (unknown.length === 0) return attributes;
  const at = Date.now();
  const read = await readAttributes(directory, unknown.length > MOST_PATHS ? undefined : unknown);
  for (const file of unknown) {
    const own = read.get(file) ?? [];
    attributes.set(file, own);
    const stats = found.get(file);
    if (stats && isSettled(stats, at)) knownAttributes.set(identityOf(stats), own);
  }
  return attributes;
}

/** The extended attributes of `files`, or everything, below `directory`, by path from there; Node cannot read them. */
async function readAttributes(
  directory: string,
  files: readonly string[] | undefined,
): Promise<Map<string, string[]>> {
  const flags = [
    "--physical",
    "--no-dereference",
    "--dump",
    "--match=-",
    "--encoding=hex",
    "--absolute-names",
  ];
  const what = files?.map((file) => path.join(directory, file)) ?? ["--recursive", directory];
  const output = await run(["getfattr", ...flags, ...what]);
  const found = new Map<string, string[]>();
  for (const block of output.split("\n\n")) {
    const [header = "", ...attributes] = block.split("\n").filter(Boolean);
    const file = header
      .replace(/^# file: /, "")
      .replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
    if (header !== "") found.set(path.posix.join("/", path.relative(directory, file)), attributes);
  }
  return found;
}
