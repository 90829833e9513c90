import { createHash } from "node:crypto";
import { FailedChange } from "../model/errors";
import type { PosixTarget } from "../model/target";
import type { Change } from "../model/types";
import { shellQuote } from "../util/shell-quote";

/** Which aspects of a file count as a change: everything that stat(1) reports, and its bytes; or less. */
export type FileAspect = "everything" | "content" | "content and mode";

/**
 * Runs `act`, such as a tool that does not report whether it changed anything. The result is "unchanged" if `act` returns
 * that, or if all `files` existed before and are the same afterwards: mode, owner, group, size, modification time, bytes
 * (not of directories). `aspect` limits what counts. Links are followed. A file that did not exist before counts as a
 * change.
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

/** The aspects of `file` that count, as text; undefined when it does not exist. */
async function look(target: PosixTarget, file: string, aspect: FileAspect): Promise<string | undefined> {
  const stat = await target.stat(file);
  if (!stat) return undefined;
  const { type, mode, uid, gid, size, mtime } = stat;
  const sum = type === "file" ? await checksum(target, file) : "";
  if (aspect === "content") return `${type} ${sum}`;
  if (aspect === "content and mode") return `${type} ${sum} ${mode}`;
  return [type, sum, mode, uid, gid, size, mtime].join(" ");
}

/** Over a shell the host computes it; in the agent this starts no process. */
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

/** The checksum of standard input, with the first tool that exists. */
const CHECKSUM =
  "if command -v sha256sum >/dev/null; then sha256sum; elif command -v sha256 >/dev/null; then sha256 -q; else cksum; fi";
