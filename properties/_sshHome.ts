/** Files in ~/.ssh. */
import type { Change, FileStat, PosixTarget } from "consfigurator";

export const SSH_HOME = ".ssh";

/** Edits a file in ~/.ssh; others can write neither there nor to the file afterwards. */
export async function editedPrivately(
  target: PosixTarget,
  file: string,
  edit: (lines: readonly string[]) => readonly string[],
): Promise<Change> {
  const [inDirectory, ofFile] = await Promise.all([target.stat(SSH_HOME), target.stat(file)]);
  const made = inDirectory ? "unchanged" : await target.makeDirectory(SSH_HOME, { mode: 0o700 });
  const restricted =
    !inDirectory || isSafe(inDirectory) ? "unchanged" : await target.setMode(SSH_HOME, 0o700);
  const edited = await target.editLines(file, edit, isSafe(ofFile) ? {} : { mode: 0o600 });
  const closed = isSafe(ofFile) ? "unchanged" : await target.setMode(file, 0o600);
  return [made, restricted, edited, closed].includes("changed") ? "changed" : "unchanged";
}

/** Whether only the owner can write there. */
const isSafe = (stat: FileStat | undefined): boolean => stat !== undefined && (stat.mode & 0o022) === 0;
