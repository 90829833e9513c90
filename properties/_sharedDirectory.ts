import { AbortedChange, type PosixTarget } from "consfigurator";
import { parentOf } from "./_paths";

/** Write permission for the group and for others, as in stat(2). */
const WRITABLE = 0o022;

/**
 * Refuses to make the file `path` by a command, which takes names, where somebody else could exchange what has that name in
 * the meantime: each directory on the way must belong to root or the connected user, and nobody else may write to it.
 */
export async function refuseInSharedDirectory(target: PosixTarget, path: string): Promise<void> {
  const { uid: own } = await target.identity();
  for (let directory = parentOf(path); ; directory = parentOf(directory)) {
    const found = await target.stat(directory);
    const isShared = found && ((found.uid !== 0 && found.uid !== own) || (found.mode & WRITABLE) !== 0);
    if (isShared)
      throw new AbortedChange(
        `other users can write to ${directory}, and could replace ${path} while it is made; name a location in a directory that only root can write to`,
      );
    if (directory === parentOf(directory)) return;
  }
}
