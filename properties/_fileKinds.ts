import {
  AbortedChange,
  type Change,
  defprop,
  InapplicableProperty,
  type PosixTarget,
  schema,
} from "consfigurator";
import { parentOf } from "./_paths";

const { account, list, mode, object, optional, path } = schema;

/**
 * `path` has the permission bits `mode`, setuid, setgid and sticky included. A symbolic link is followed. Fails when
 * the file does not exist.
 *
 * @example file.hasMode("/etc/ssl/private", 0o710)
 */
export const hasMode = defprop({
  name: "file.hasMode",
  kind: "posix",
  args: object({ path: path(), mode: mode() }),
  call: (path: string, mode: number) => ({ path, mode }),
  desc: ({ path, mode }) => `${path} has mode ${mode.toString(8).padStart(4, "0")}`,
  apply: ({ path, mode }, target) => target.setMode(path, mode),
});

/**
 * `path` belongs to `user`, `group`, or both, given as names or numbers. A symbolic link itself is changed, not its
 * target. Fails when the file, user or group does not exist.
 *
 * @example file.hasOwnership("/srv/www", { user: "www-data", group: "www-data" })
 */
export const hasOwnership = defprop({
  name: "file.hasOwnership",
  kind: "posix",
  args: object({ path: path(), user: optional(account()), group: optional(account()) }),
  call: (path: string, owner: { user?: string | number; group?: string | number }) => ({
    path,
    ...(owner.user !== undefined && { user: String(owner.user) }),
    ...(owner.group !== undefined && { group: String(owner.group) }),
  }),
  desc: ({ path, user = "", group }) => `${path} belongs to ${user}${group === undefined ? "" : `:${group}`}`,
  hostattrs: ({ user, group }) => {
    if (user === undefined && group === undefined)
      throw new InapplicableProperty("give a user, a group, or both");
  },
  apply: ({ path, user, group }, target) => target.setOwner(path, { user, group }),
});

/**
 * None of `paths` exists. Files and links are deleted, dangling links too; a directory is refused: see
 * `file.directoryDoesNotExist`.
 *
 * @example file.doesNotExist("/etc/nologin")
 */
export const doesNotExist = defprop({
  name: "file.doesNotExist",
  kind: "posix",
  args: object({ paths: list(path(), { minItems: 1 }) }),
  call: (...paths: string[]) => ({ paths }),
  desc: ({ paths }) => `${paths.join(", ")} ${paths.length > 1 ? "do" : "does"} not exist`,
  check: async ({ paths }, target) =>
    (await Promise.all(paths.map((each) => target.lstat(each)))).every((found) => !found),
  apply: async ({ paths }, target) => {
    const found = await Promise.all(paths.map((each) => target.lstat(each)));
    const directory = paths[found.findIndex((each) => each?.type === "directory")];
    if (directory !== undefined) {
      throw new AbortedChange(`${directory} is a directory; delete it with file.directoryDoesNotExist`);
    }
    return anyChanged(paths, (each) => target.remove(each));
  },
});

/**
 * `directory` and its parents exist. New directories get mode 0755.
 *
 * @example file.directoryExists("/srv/backup")
 */
export const directoryExists = defprop({
  name: "file.directoryExists",
  kind: "posix",
  args: object({ directory: path() }),
  call: (directory: string) => ({ directory }),
  desc: ({ directory }) => `directory ${directory} exists`,
  check: async ({ directory }, target) => (await target.stat(directory))?.type === "directory",
  apply: ({ directory }, target) => target.makeDirectory(directory),
});

/**
 * The directory that contains `path` exists, and so do its parents.
 *
 * @example file.containingDirectoryExists("/etc/consfig/flags/done")
 */
export const containingDirectoryExists = defprop({
  name: "file.containingDirectoryExists",
  kind: "posix",
  args: object({ path: path() }),
  call: (path: string) => ({ path }),
  desc: ({ path }) => `directory ${parentOf(path)} exists`,
  check: async ({ path }, target) => (await target.stat(parentOf(path)))?.type === "directory",
  apply: ({ path }, target) => target.makeDirectory(parentOf(path)),
});

const directoriesArgs = object({ directories: list(path(), { minItems: 1 }) });

/**
 * None of `directories` exists: each is deleted with everything in it. A file of that name is left alone; a link to a
 * directory is refused.
 *
 * @example file.directoryDoesNotExist("/var/lib/old-service")
 */
export const directoryDoesNotExist = defprop({
  name: "file.directoryDoesNotExist",
  kind: "posix",
  args: directoriesArgs,
  call: (...directories: string[]) => ({ directories }),
  desc: ({ directories }) =>
    directories.length > 1
      ? `directories ${directories.join(", ")} do not exist`
      : `directory ${directories.join()} does not exist`,
  check: async ({ directories }, target) =>
    (await Promise.all(directories.map((each) => target.stat(each)))).every(
      (found) => found?.type !== "directory",
    ),
  apply: async ({ directories }, target) => {
    const found = await Promise.all(directories.map((each) => typesOf(each, target)));
    const link = found.find(({ own, followed }) => own === "symlink" && followed === "directory");
    if (link)
      throw new AbortedChange(`${link.path} is a link to a directory; delete it with file.doesNotExist`);
    const there = found.filter(({ own }) => own === "directory");
    return anyChanged(there, (each) => target.remove(each.path, { recursive: true }));
  },
});

/**
 * None of `directories` is an empty directory: empty ones are deleted. A directory with anything in it, hidden files
 * included, stays.
 *
 * @example file.emptyDirectoryDoesNotExist("/etc/sudoers.d/old")
 */
export const emptyDirectoryDoesNotExist = defprop({
  name: "file.emptyDirectoryDoesNotExist",
  kind: "posix",
  args: directoriesArgs,
  call: (...directories: string[]) => ({ directories }),
  desc: ({ directories }) =>
    directories.length > 1
      ? `empty directories ${directories.join(", ")} do not exist`
      : `empty directory ${directories.join()} does not exist`,
  check: async ({ directories }, target) => (await emptyDirectories(directories, target)).length === 0,
  apply: async ({ directories }, target) => {
    const empty = await emptyDirectories(directories, target);
    if (empty.length === 0) return "unchanged";
    return anyChanged(empty, (each) => target.removeEmptyDirectory(each));
  },
});

async function emptyDirectories(directories: readonly string[], target: PosixTarget): Promise<string[]> {
  const found = await Promise.all(
    directories.map(async (path) => {
      const [itself, names] = await Promise.all([target.lstat(path), target.list(path)]);
      return itself?.type === "directory" && names?.length === 0;
    }),
  );
  return directories.filter((_, at) => found[at]);
}

async function typesOf(path: string, target: PosixTarget) {
  const [own, followed] = await Promise.all([target.lstat(path), target.stat(path)]);
  return { path, own: own?.type, followed: followed?.type };
}

async function anyChanged<T>(items: readonly T[], act: (item: T) => Promise<Change>): Promise<Change> {
  let change: Change = "unchanged";
  for (const item of items) if ((await act(item)) === "changed") change = "changed";
  return change;
}
