/** What is mounted on a host, and how it is unmounted. */
import { type Change, FailedChange, type PosixTarget, type RunOptions, shellQuote } from "consfigurator";

/** The table of mounts that `isMountPoint` of a target reads, too. */
export const MOUNTS = "/proc/self/mountinfo";

/** Where something is mounted, in the order in which it was; a path occurs once for each mount on top of another. */
async function mountPoints(target: PosixTarget): Promise<string[]> {
  const lines = (await target.readLines(MOUNTS)).filter((line) => line !== "");
  return lines.map((line) => unescaped(line.split(" ")[4] ?? ""));
}

/** `text` of a table of the kernel, which writes blanks and backslashes as octal numbers. */
export const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_all, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** The real path of `directory`, and what is mounted below it, and there too with `andAt`. */
export async function mountsBelow(
  target: PosixTarget,
  directory: string,
  { andAt = false }: { readonly andAt?: boolean } = {},
): Promise<{ readonly path: string; readonly mounts: readonly string[] }> {
  const path = (await target.realPath(directory)) ?? directory;
  const below = path === "/" ? "/" : `${path}/`;
  const mounts = (await mountPoints(target)).filter(
    (each) => (each !== path && each.startsWith(below)) || (andAt && each === path),
  );
  return { path, mounts };
}

/** Mounts `path`, of which /etc/fstab says what is mounted there. */
export async function mountAt(target: PosixTarget, path: string): Promise<void> {
  await target.run(["mount", path], { touches: { paths: [path, MOUNTS] } });
  target.report({ kind: "mount", change: "mounted", path });
}

/** Unmounts the topmost mount at `path`. */
export async function unmountAt(target: PosixTarget, path: string): Promise<void> {
  await endMount(target, path);
  target.report({ kind: "mount", change: "unmounted", path });
}

/** As `unmountAt`, of a mount that was only for a while: it is no change of the host. */
export async function endMount(
  target: PosixTarget,
  path: string,
  { predict }: Pick<RunOptions, "predict"> = {},
): Promise<void> {
  const { exit, stderr } = await target.run(["umount", path], {
    mayFail: true,
    touches: { paths: [path, MOUNTS] },
    ...(predict && { predict }),
  });
  if (exit !== 0) {
    const users = await usersOf(target, path);
    const advice = users === "" ? "" : `; stop what uses it: ${users}`;
    throw new FailedChange(`${path} cannot be unmounted${advice}: ${stderr.trim() || `exit code ${exit}`}`);
  }
}

/** The processes with an open file, or a directory, at or below `path`. */
async function usersOf(target: PosixTarget, path: string): Promise<string> {
  const { stdout } = await target.query(
    `for p in /proc/[0-9]*; do
  for f in "$p"/cwd "$p"/root "$p"/exe "$p"/fd/*; do
    case $(readlink "$f" 2>/dev/null)/ in ${shellQuote(path)}/*)
      echo "$(cat "$p/comm" 2>/dev/null) (\${p##*/})"; break;;
    esac
  done
done`,
    { mayFail: true },
  );
  return stdout.trim().split("\n").join(", ");
}

/** The table of swap space in use. */
export const SWAPS = "/proc/swaps";

/** The files and devices that are used as swap space. */
export async function swapFiles(target: PosixTarget): Promise<string[]> {
  const [, ...lines] = await target.readLines(SWAPS);
  return lines.map((line) => unescaped(line.split(/\s+/)[0] ?? ""));
}

/** Whether the file `path` was made swap space. */
export const isSwap = (target: PosixTarget, path: string): Promise<boolean> =>
  target.succeeds(`test "$(blkid -p -s TYPE -o value ${shellQuote(path)})" = swap`, {
    about: { paths: [path] },
  });

/** Ends the use of files below `path` as swap space: the kernel does not let go of them when they are removed. */
async function swapEndedBelow(target: PosixTarget, path: string): Promise<void> {
  const files = (await swapFiles(target)).filter((each) => each.startsWith(`${path}/`));
  for (const each of files) await target.run(["swapoff", each], { touches: { paths: [SWAPS] } });
}

/** Nothing is mounted below `directory`, nor at it with `andAt`. The last mounts go first: they may be in those before them. */
export async function unmountedBelow(
  target: PosixTarget,
  directory: string,
  options: { readonly andAt?: boolean } = {},
): Promise<Change> {
  const { mounts } = await mountsBelow(target, directory, options);
  for (const each of mounts.toReversed()) await unmountAt(target, each);
  return mounts.length > 0 ? "changed" : "unchanged";
}

/**
 * Nothing is mounted below `root`, and it is removed with all that is in it; what is itself a mount point is emptied, and
 * stays. Links in it are not followed.
 */
export async function unmountedBelowAndRemoved(target: PosixTarget, root: string): Promise<Change> {
  if ((await target.lstat(root)) === undefined) return "unchanged";
  const path = (await target.realPath(root)) ?? root;
  await swapEndedBelow(target, path);
  await unmountedBelow(target, path);
  if (await target.isMountPoint(path)) return target.emptyDirectory(path);
  return target.remove(path, { recursive: true });
}
