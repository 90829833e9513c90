import { createHash } from "node:crypto";
import path from "node:path";
import type { FileStat, PosixTarget } from "../model/target";
import type { Change } from "../model/types";

/**
 * For `apply` of a property that can be unapplied: runs `act`, and notes on the host that `path`, and those of its parent
 * directories that did not exist, were created. `withCreatedRemoved` removes them again.
 */
export async function withCreatedNoted(
  target: PosixTarget,
  path: string,
  act: () => Promise<Change>,
): Promise<Change> {
  // Whether the home directory is one of them does not matter yet, so nothing is asked before.
  const asked = path.startsWith("/") ? withParents(path) : await lineage(target, path);
  const looking = Promise.all(asked.map((each) => target.lstat(each)));
  looking.catch(() => {});
  // Over a shell they are asked together with what `act` asks first, and answered before that.
  if (target.kind === "agent") await looking;
  const change = await act();
  if (change === "unchanged") return change;
  const first = (await looking).findIndex((found) => found !== undefined);
  const all = await lineage(target, path);
  const created = all.slice(0, first < 0 ? all.length : first);
  try {
    const note = async (each: string) => target.state.set(await flagOf(target, each), NOTE);
    await Promise.all(created.map(note));
  } catch (error) {
    target.inform(`${String(error)}\nUnapplying this leaves ${created.join(", ")}, if empty.\n`);
  }
  return change;
}

/**
 * For `unapply` of a property whose `apply` used `withCreatedNoted`: runs `act`. If that changed something, `path` is removed
 * if it is an empty file that was created, and then each parent directory that was created and is empty.
 */
export async function withCreatedRemoved(
  target: PosixTarget,
  path: string,
  act: () => Promise<Change>,
): Promise<Change> {
  const change = await act();
  if (change === "unchanged") return change;
  for (const each of await lineage(target, path)) {
    const flag = await flagOf(target, each);
    const [isCreated, found] = await Promise.all([target.state.has(flag), target.lstat(each)]);
    if (found && !(isCreated && (await isEmpty(target, each, found)))) break;
    if (found?.type === "directory") await target.removeEmptyDirectory(each);
    else if (found) await target.remove(each);
    if (isCreated) await target.state.clear(flag, { tidy: true });
  }
  return change;
}

const isEmpty = async (target: PosixTarget, path: string, { type, size }: FileStat): Promise<boolean> =>
  type === "directory" ? (await target.list(path))?.length === 0 : type === "file" && size === 0;

const NOTE = "A property that can be unapplied created this file or directory.\n";

/**
 * The absolute `name` and its parents, without the root and, for what is in there, without the home directory and its
 * parents.
 */
async function lineage(target: PosixTarget, name: string): Promise<string[]> {
  const { home } = await target.identity();
  const all = withParents(name.startsWith("/") ? name : `${home}/${name}`);
  const end = all.indexOf(home);
  return end < 0 ? all : all.slice(0, end);
}

/** The absolute `name` and its parents, without the root. */
function withParents(name: string): string[] {
  const all: string[] = [];
  for (let each = path.posix.join(name, "."); each !== "/"; each = path.posix.dirname(each)) all.push(each);
  return all;
}

/** The name of the flag that says that `path` was created. The flags are those of the owner of the home directory. */
async function flagOf(target: PosixTarget, path: string): Promise<string> {
  const { home } = await target.identity();
  const name = path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
  return `created-${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}
