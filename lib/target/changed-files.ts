import { createHash } from "node:crypto";
import { FailedChange } from "../model/errors";
import type { PosixTarget } from "../model/target";
import type { Change } from "../model/types";
import { shellQuote } from "../util/shell-quote";

/** What of a file counts: all that stat(1) says of it, and its bytes; or less. */
export type FileAspect = "everything" | "content" | "content and mode";

/**
 * Does `act`, which may run a tool that does not say whether it changed anything. It comes to "unchanged" when `act` says
 * so, or when all `files` were there before and are the same afterwards: mode, owner, group, size, time of change, bytes
 * (not of directories). `aspect` says when less than that counts. Links are followed. A file that was not there before
 * counts as a change.
 */
export async function withChangeIfChangesFiles(
  target: PosixTarget,
  files: string | readonly string[],
  act: () => Promise<unknown>,
  aspect: FileAspect = "everything",
): Promise<Change> {
  const looked = () => Promise.all([files].flat().map((file) => look(target, file, aspect)));
  const before = await looked();
  if ((await act()) === "unchanged") return "unchanged";
  if (before.includes(undefined)) return "changed";
  const after = await looked();
  return after.every((seen, index) => seen === before[index]) ? "unchanged" : "changed";
}

/** What counts of `file`, as text; undefined when it is not there. */
async function look(target: PosixTarget, file: string, aspect: FileAspect): Promise<string | undefined> {
  const stat = await target.stat(file);
  if (!stat) return undefined;
  const { type, mode, uid, gid, size, mtime } = stat;
  const sum = type === "file" ? await checksum(target, file) : "";
  if (aspect === "content") return `${type} ${sum}`;
  if (aspect === "content and mode") return `${type} ${sum} ${mode}`;
  return [type, sum, mode, uid, gid, size, mtime].join(" ");
}

/** Over a shell the host computes it, as well as it can; in the agent no process is started for it. */
async function checksum(target: PosixTarget, file: string): Promise<string> {
  if (target.kind === "agent") {
    const bytes = await target.readBytes(file);
    return createHash("sha256")
      .update(bytes ?? "")
      .digest("hex");
  }
  const from = shellQuote(file.startsWith("/") ? file : `./${file}`);
  const { exit, stdout, stderr } = await target.run(`${CHECKSUM} <${from}`, { mayFail: true });
  if (exit !== 0) throw new FailedChange(`cannot read ${shellQuote(file)}: ${stderr.trim()}`);
  return stdout;
}

/** Of its standard input. By what there is, not by what fails: a file that cannot be read has no sum. */
const CHECKSUM =
  "if command -v sha256sum >/dev/null; then sha256sum; elif command -v sha256 >/dev/null; then sha256 -q; else cksum; fi";
