import { type BigIntStats, closeSync, fstatSync, lstatSync, openSync, readSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import type { FileStat } from "../../model/target";
import { OUTPUT_LIMIT, TOO_LARGE } from "../command-output";

/** The stat of `file`, links followed. */
export const lookAt = (file: string): FileStat | undefined =>
  ifExists(() => fileStat(statSync(file, { bigint: true })));

/** The stat of `file` itself, a link not followed. */
export const lookAtLink = (file: string): FileStat | undefined =>
  ifExists(() => fileStat(lstatSync(file, { bigint: true })));

/** The result of `look`; undefined when the path does not exist, its directory does not, or its links form a loop. */
export function ifExists<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? ""))
      return undefined;
    throw error;
  }
}

function fileStat(stats: BigIntStats): FileStat {
  const type = stats.isFile()
    ? "file"
    : stats.isDirectory()
      ? "directory"
      : stats.isSymbolicLink()
        ? "symlink"
        : "other";
  return {
    type,
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    mtime: Number(stats.mtimeNs / 1_000_000_000n),
    id: `${stats.dev}:${stats.ino}`,
  };
}

const CHUNK_BYTES = 1 << 20;
const SMALL_BYTES = 1 << 16;

/** Whether two files have the same bytes, read chunk by chunk. */
export async function sameBytes(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([open(one), open(other)]);
  try {
    const [first, second] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
    for (;;) {
      const [read, readToo] = [await a.readv([first]), await b.readv([second])];
      if (!first.subarray(0, read.bytesRead).equals(second.subarray(0, readToo.bytesRead))) return false;
      if (read.bytesRead === 0) return true;
    }
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}

/** The bytes of `file`, links followed, and the stat of the file that was read. Throws when it has more than `limit` bytes. */
export function readWithStat(file: string, limit = OUTPUT_LIMIT): { bytes: Buffer; stat: FileStat } {
  const fd = openSync(file, "r");
  try {
    const stat = fileStat(fstatSync(fd, { bigint: true }));
    return { stat, bytes: readUpTo(fd, stat.size, limit) };
  } finally {
    closeSync(fd);
  }
}

/** All bytes of `fd`. `size` is what stat says; files below /proc say 0, and may never end. */
function readUpTo(fd: number, size: number, limit: number): Buffer {
  const chunks: Buffer[] = [];
  for (let total = 0; total <= limit && size <= limit; ) {
    const chunk = Buffer.allocUnsafe(Math.max(size + 1 - total, SMALL_BYTES));
    const read = readSync(fd, chunk);
    if (read === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, read));
    total += read;
  }
  throw new Error(TOO_LARGE);
}
