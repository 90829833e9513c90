import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readlinkSync, rmSync, type Stats } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import path from "node:path";
import { shellWords } from "../../util/shell-quote";
import type { PutOptions } from "../context";

/** Links followed before it is a circle, as the kernel has it. */
const MOST_LINKS = 40;

/** Runs a process, and tells of it whoever wants to know. */
type Told = (shown: string, run: () => Promise<{ exit: number }>) => Promise<{ exit: number }>;

/** The file `name` has `content`, in one step: whoever looks sees the old file or the new one, whole. */
export async function replaceFile(
  name: string,
  content: Buffer,
  options: PutOptions,
  told: Told = (_, run) => run(),
): Promise<void> {
  const target = endOfLinks(name);
  const old = lstatSync(target, { throwIfNoEntry: false });
  if (old?.isDirectory()) throw new Error("EISDIR: it is a directory, write");
  if (old && !old.isFile()) throw new Error("EINVAL: it is no regular file, write");
  const directory = path.dirname(target);
  if (!old && options.parents) makeDirectories(directory);
  const temporary = `${directory}/.${path.basename(target).slice(0, 100)}.${randomBytes(9).toString("hex")}`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(content);
      if (old) await takeAfter({ file, temporary, target, old }, options.mode, told);
      else await file.chmod(options.mode ?? 0o644);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target).catch((error) =>
      writeInPlace(error, temporary, target, content, options.mode),
    );
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  await syncDirectory(directory);
}

/** Directories with mode 0o755 whatever the umask, so that what the parent gives to its children is kept. True: some were made. */
export function makeDirectories(directory: string): boolean {
  const umask = process.umask(0o022);
  try {
    return mkdirSync(directory, { recursive: true }) !== undefined;
  } finally {
    process.umask(umask);
  }
}

/** Where the links at the end of `name` lead, whether or not there is something. */
function endOfLinks(name: string): string {
  let target = name;
  for (let followed = 0; lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink(); followed += 1) {
    if (followed === MOST_LINKS) throw new Error("ELOOP: too many levels of symbolic links, write");
    const link = readlinkSync(target);
    target = link.startsWith("/") ? link : `${path.dirname(target)}/${link}`;
  }
  return target;
}

/** Owner, mode, ACLs and extended attributes become those of the `old` file at `target`. */
async function takeAfter(
  { file, temporary, target, old }: { file: FileHandle; temporary: string; target: string; old: Stats },
  mode: number | undefined,
  told: Told,
): Promise<void> {
  const mine = await file.stat();
  const owned = (mine.uid === old.uid && mine.gid === old.gid) || (await takesOwner(file, old));
  const kept = owned ? old.mode & 0o7777 : old.mode & 0o1777;
  await file.chmod(mode ?? kept);
  if (!(await copiesAttributes(target, temporary, told))) return;
  if (mode !== undefined || !owned) await file.chmod(mode ?? kept);
}

/** Only root can give a file away; for others it stays ours, and then setuid and setgid would mean something else. */
async function takesOwner(file: FileHandle, { uid, gid }: Stats): Promise<boolean> {
  try {
    await file.chown(uid, gid);
    return true;
  } catch {
    await file.chown(-1, gid).catch(() => {});
    return false;
  }
}

/** Node cannot read ACLs and extended attributes; GNU cp can, and where there is another cp there are seldom any. */
async function copiesAttributes(from: string, to: string, told: Told): Promise<boolean> {
  const args = ["--attributes-only", "--preserve=all", "--no-preserve=timestamps,links", "--", from, to];
  const run = () =>
    new Promise<{ exit: number }>((done) => {
      execFile("cp", args, (error) => done({ exit: error ? Number(error.code) || NOT_FOUND : 0 }));
    });
  return (await told(shellWords(["cp", ...args]), run)).exit === 0;
}

/** What a shell says of a command that it cannot start. */
const NOT_FOUND = 127;

/**
 * A file that is a mount point, as /etc/hosts is in many containers, cannot be replaced: it is overwritten, when what it
 * gets has been written once without trouble.
 */
async function writeInPlace(
  error: NodeJS.ErrnoException,
  temporary: string,
  target: string,
  content: Buffer,
  mode?: number,
): Promise<void> {
  if (error.code !== "EBUSY") throw error;
  const file = await open(target, "r+");
  try {
    await file.writeFile(content);
    await file.truncate(content.length);
    if (mode !== undefined) await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
  rmSync(temporary);
}

/** A rename is on the disk only when its directory is. Some file systems cannot do that, and need not. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
