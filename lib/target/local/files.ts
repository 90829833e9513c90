import { type BigIntStats, lstatSync, statSync } from "node:fs";
import type { FileStat } from "../../model/target";

/** What `file` is, links followed. */
export const lookAt = (file: string): FileStat | undefined =>
  fileStat(ifExists(() => statSync(file, { bigint: true })));

/** What `file` itself is. */
export const lookAtLink = (file: string): FileStat | undefined =>
  fileStat(ifExists(() => lstatSync(file, { bigint: true })));

/** What `look` finds, or undefined when there is nothing of that name: not even a place for it, or links in a circle. */
export function ifExists<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? ""))
      return undefined;
    throw error;
  }
}

function fileStat(stats: BigIntStats | undefined): FileStat | undefined {
  if (!stats) return undefined;
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
