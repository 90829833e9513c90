import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { shellWords } from "../../util/shell-quote";
import type { PutOptions } from "../context";
import { type Bytes, sizeOf, written } from "../feed";
import { changedMeanwhile, type Entry, type Handle, withEntry } from "./pinned";

/** Runs a process and reports it in verbose deployments. */
export type Trace = (shown: string, run: () => Promise<{ exit: number }>) => Promise<{ exit: number }>;

const untraced: Trace = (_shown, run) => run();

/**
 * Replaces the content of the file `name` atomically: a reader sees the old file or the new one, whole. Owner, mode, ACLs and
 * extended attributes stay. It acts on open files in an open directory: another user who can write to the directory can
 * make it fail, and nothing else.
 */
export const replaceFile = (
  name: string,
  content: Bytes,
  options: PutOptions,
  trace: Trace = untraced,
): Promise<void> =>
  withEntry(name, { follow: true, parents: options.parents ?? false }, (entry) =>
    replaceEntry(entry, content, options, trace),
  );

async function replaceEntry(
  entry: Entry,
  content: Bytes,
  { mode, expected, signal }: PutOptions,
  trace: Trace,
): Promise<void> {
  const old = entry.open();
  try {
    if (old?.stat.isDirectory()) throw new Error("EISDIR: it is a directory, write");
    if (old && !old.stat.isFile()) throw new Error("EINVAL: it is not a regular file, write");
    if (expected !== undefined && (old?.id ?? null) !== expected) throw changedMeanwhile(entry);
    await withSibling(entry, async (file, rename) => {
      await file.writeFile(written(content, signal));
      if (old) await copyAttributes(old, file, { mode, trusted: entry.directory.trusted }, trace);
      else await file.chmod(mode ?? 0o644);
      await file.sync();
      try {
        rename();
      } catch (error) {
        // A mount point, such as /etc/hosts in many containers, cannot be replaced. The content was written once already.
        if ((error as NodeJS.ErrnoException).code !== "EBUSY" || !old) throw error;
        await writeInPlace(old, content, mode);
      }
    });
  } finally {
    old?.close();
  }
  await syncDirectory(entry);
}

/**
 * Creates a file of mode 0600 next to `entry`. `rename` gives it the name of `entry`, and throws if another user replaced it.
 * It is removed unless it was renamed.
 */
export async function withSibling<T>(
  entry: Entry,
  use: (file: FileHandle, rename: () => void) => Promise<T>,
): Promise<T> {
  const unique = randomBytes(9).toString("hex");
  const temporary = entry.directory.at(`${siblingPrefix(entry)}${unique}`);
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
  removeLeftovers(entry);
  const file = await open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  let renamed = false;
  try {
    const { ino } = await file.stat();
    return await use(file, () => {
      renameSync(temporary, entry.path);
      renamed = true;
      // In a directory of root's only another deployment can have replaced it: the last one counts.
      if (!entry.directory.trusted && entry.lstat()?.ino !== ino) throw changedMeanwhile(entry);
    });
  } finally {
    await file.close();
    if (!renamed) removeQuietly(temporary);
  }
}

const siblingPrefix = ({ name }: Entry): string => `.${name.slice(0, 100)}.`;

/** A temporary file that has not changed for so long has no writer any more. */
const LEFT_MS = 10 * 60 * 1000;

/** Removes the temporary files for `entry` that killed writers left: those that have not changed for long. */
function removeLeftovers(entry: Entry): void {
  const prefix = siblingPrefix(entry);
  for (const name of readdirSync(entry.directory.at())) {
    if (!name.startsWith(prefix)) continue;
    const unique = name.slice(prefix.length);
    if (!/^[0-9a-f]{18}$/.test(unique)) continue;
    const file = entry.directory.at(name);
    const stat = lstatSync(file, { throwIfNoEntry: false });
    if (!stat?.isFile() || stat.uid !== process.geteuid?.()) continue;
    if (Date.now() - stat.mtimeMs > LEFT_MS) removeQuietly(file);
  }
}

function removeQuietly(file: string): void {
  try {
    if (lstatSync(file, { throwIfNoEntry: false })) unlinkSync(file);
  } catch {
    // Another user replaced it with a directory, or the file system is gone.
  }
}

/** Owner, mode, ACLs and extended attributes of `old`. */
async function copyAttributes(
  old: Handle,
  file: FileHandle,
  { mode, trusted }: { readonly mode: number | undefined; readonly trusted: boolean },
  trace: Trace,
): Promise<void> {
  const { stat } = old;
  const mine = await file.stat();
  const owned = (mine.uid === stat.uid && mine.gid === stat.gid) || (await takesOwner(file, stat));
  // Setuid and setgid belong to the old content and owner; they are kept only in directories that only root can write to.
  const kept = stat.mode & (owned && trusted ? 0o7777 : 0o1777);
  await file.chmod(mode ?? kept);
  if (!(await copiesExtended(old, file, trace))) return;
  if (mode !== undefined || kept !== (stat.mode & 0o7777)) await file.chmod(mode ?? kept);
}

/** Returns false if the file keeps its owner, as for users other than root; setuid and setgid would then be wrong. */
async function takesOwner(file: FileHandle, { uid, gid }: Stats): Promise<boolean> {
  try {
    await file.chown(uid, gid);
    return true;
  } catch {
    await file.chown(-1, gid).catch(() => {});
    return false;
  }
}

/** Copies content, owner, mode, times and everything else that cp can copy, between open files. */
export async function copyOpened(original: Handle, file: FileHandle, trace: Trace): Promise<void> {
  const source = await open(original.path, "r");
  try {
    await copyBytes(source, file);
    const { uid, gid, mode, atime, mtime } = original.stat;
    await file.chown(uid, gid).catch(() => {});
    await file.chmod(mode & 0o7777);
    await copiesExtended(original, file, trace);
    await file.utimes(atime, mtime);
  } finally {
    await source.close();
  }
}

async function copyBytes(source: FileHandle, file: FileHandle): Promise<void> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await source.read(chunk);
    if (bytesRead === 0) return;
    await file.appendFile(chunk.subarray(0, bytesRead));
  }
}

const CHUNK_BYTES = 1 << 20;

const SOURCE_FD = 3;
const COPY_FD = 4;

/** Node cannot read ACLs and extended attributes, but GNU cp can. Hosts with another cp rarely have any. */
async function copiesExtended(old: Handle, file: FileHandle, trace: Trace): Promise<boolean> {
  const args = [
    ...["--attributes-only", "--preserve=all", "--no-preserve=timestamps,links", "--"],
    ...[`/proc/self/fd/${SOURCE_FD}`, `/proc/self/fd/${COPY_FD}`],
  ];
  let source: number;
  try {
    source = openSync(old.path, "r");
  } catch {
    return false;
  }
  const stdio = ["ignore", "ignore", "ignore", source, file.fd] as const;
  const run = () =>
    new Promise<{ exit: number }>((done) => {
      const cp = spawn("cp", args, { stdio: [...stdio] });
      cp.once("error", () => done({ exit: NOT_FOUND }));
      cp.once("close", (code) => done({ exit: code ?? 1 }));
    });
  try {
    return (await trace(shellWords(["cp", ...args]), run)).exit === 0;
  } finally {
    closeSync(source);
  }
}

/** The exit code of a shell for a command that it cannot start. */
const NOT_FOUND = 127;

async function writeInPlace(old: Handle, content: Bytes, mode: number | undefined): Promise<void> {
  const file = await open(old.path, "r+");
  try {
    await file.writeFile(written(content));
    await file.truncate(sizeOf(content));
    if (mode !== undefined) await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is on the disk only when its directory is. Some file systems cannot do that, and need not. */
export async function syncDirectory({ directory }: Entry): Promise<void> {
  const handle = await open(directory.at(), "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
