import type { FileStat } from "../../model/target";
import type { Answer } from "./batch";

/** The answer to `scripts.look`. */
export function described({ output }: Answer): { stat: FileStat; rest: Buffer } {
  const end = output.indexOf("\n");
  return { stat: parseStat(output.toString("latin1", 0, end)), rest: Buffer.from(output.subarray(end + 1)) };
}

/** Parses a line printed by `shown` in the scripts. */
export function parseStat(line: string): FileStat {
  const [raw = "", uid, gid, size, mtime, id = ""] = line.trim().split(" ");
  const mode = Number.parseInt(raw, 16);
  return {
    type: TYPES.get(mode >> 12) ?? "other",
    mode: mode & 0o7777,
    uid: Number(uid),
    gid: Number(gid),
    size: Number(size),
    mtime: Number(mtime),
    id,
  };
}

const TYPES = new Map<number, FileStat["type"]>([
  [0o10, "file"],
  [0o04, "directory"],
  [0o12, "symlink"],
]);
