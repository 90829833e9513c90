import {
  type Change,
  defprop,
  defproplist,
  FailedChange,
  filesOfConsfig,
  type PosixTarget,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";

const { boolean, either, list, mode, object, oneOf, path, string } = schema;

/** `content`: text, or bytes that are no text. */
const entry = () =>
  either(
    object({ type: oneOf("directory"), path: string() }),
    object({ type: oneOf("symlink"), path: string(), to: string() }),
    object({ type: oneOf("file"), path: string(), mode: mode(), text: string() }),
    object({ type: oneOf("file"), path: string(), mode: mode(), base64: string() }),
  );
const mirrorArgs = object({ directory: path(), entries: list(entry()), purge: boolean() });
type Mirror = schema.Infer<typeof mirrorArgs>;
type Entry = Mirror["entries"][number];

/** `directory` has what is in `entries`, each directory before what is in it. */
const mirror = defprop({
  name: "file._mirrored",
  kind: "posix",
  args: mirrorArgs,
  desc: ({ directory }) => `files in ${directory}`,
  inline: true,
  apply: ({ directory, entries, purge }, target) =>
    withCreatedNoted(target, directory, async () => {
      const [top, present, others] = await Promise.all([
        target.lstat(directory),
        Promise.all(entries.map((each) => isThere(target, directory, each))),
        purge ? strangers(target, directory, entries) : [],
      ]);
      const missing = entries.filter((_each, at) => !present[at]);
      if (missing.length === 0 && others.length === 0 && top) return "unchanged";
      for (const each of others) await target.remove(each, { recursive: true });
      await target.makeDirectory(directory);
      for (const each of missing) await put(target, directory, each);
      return "changed";
    }),
  unapply: ({ directory, entries }, target) =>
    withCreatedRemoved(target, directory, async () => {
      let change: Change = "unchanged";
      for (const each of entries.toReversed()) {
        const file = `${directory}/${each.path}`;
        const found = await target.lstat(file);
        if (found?.type !== each.type) continue;
        const removed = await (each.type === "directory"
          ? target.removeEmptyDirectory(file)
          : target.remove(file));
        if (removed === "changed") change = "changed";
      }
      return change;
    }),
});

const contentOf = (each: Entry & { readonly type: "file" }): Buffer =>
  "text" in each ? Buffer.from(each.text) : Buffer.from(each.base64, "base64");

/** Whether the file, directory or link is as it shall be; all of them ask at once. */
async function isThere(target: PosixTarget, directory: string, each: Entry): Promise<boolean> {
  const file = `${directory}/${each.path}`;
  if (each.type === "symlink") return (await target.readLink(file)) === each.to;
  if (each.type === "directory") return (await target.lstat(file))?.type === "directory";
  // What cannot be read is not a file, or lstat says why.
  const [found, bytes] = await Promise.all([
    target.lstat(file),
    target.readBytes(file).catch(() => undefined),
  ]);
  return found?.type === "file" && found.mode === each.mode && bytes?.equals(contentOf(each)) === true;
}

async function put(target: PosixTarget, directory: string, each: Entry): Promise<void> {
  const file = `${directory}/${each.path}`;
  const found = await target.lstat(file);
  if (found && found.type !== each.type) {
    if (found.type === "directory")
      throw new FailedChange(
        `${file} is a directory with a content of its own, where the consfig has a ${each.type === "file" ? "file" : "link"}; remove it, or use { purge: true }`,
      );
    await target.remove(file);
  }
  if (each.type === "directory") await target.makeDirectory(file);
  else if (each.type === "symlink") await target.symlink(file, each.to);
  else await target.ensureContent(file, contentOf(each), { mode: each.mode });
}

/** What is below `directory`, and not in `entries`, or of another type there. */
async function strangers(
  target: PosixTarget,
  directory: string,
  entries: readonly Entry[],
): Promise<string[]> {
  const known = new Map(entries.map((each) => [each.path, each.type]));
  const look = async (below: string): Promise<string[]> => {
    const names = (await target.list(`${directory}${below}`)) ?? [];
    const found = await Promise.all(
      names.map(async (name) => {
        const own = `${below}/${name}`;
        const type = known.get(own.slice(1));
        const isDirectory = (await target.lstat(directory + own))?.type === "directory";
        if (type === undefined || isDirectory !== (type === "directory")) return [directory + own];
        return isDirectory ? look(own) : [];
      }),
    );
    return found.flat();
  };
  return look("");
}

const treeArgs = object({
  directory: path(),
  source: string({ minLength: 1, description: 'a directory of the consfig, such as "files/www"' }),
  mode: mode(),
  purge: boolean(),
});

/** More travels to the host in an archive. */
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * `directory` has the files, directories and links of `source`, a directory of the consfig. A file gets the permission bits `mode`
 * (default: 0o644), and one that is executable in the consfig may be executed by all who may read it. New directories get 0o755.
 * With `purge`, what is not in the consfig is removed; without it, it is left alone. A plan names each file that changes.
 *
 * `source` may have 4 MiB. Its files travel with each deployment; for more, see `file.downloaded` and `file.extracted`.
 * Unapplying it deletes these files, and the directories that are empty then.
 *
 * @example file.hasTree("/var/www/shop", "files/www")
 * @example file.hasTree("/etc/shop.d", "files/shop.d", { mode: 0o640, purge: true })
 */
export const hasTree = defproplist({
  name: "file.hasTree",
  args: treeArgs,
  call: (
    directory: string,
    source: string,
    { mode = 0o644, purge = false }: { readonly mode?: number; readonly purge?: boolean } = {},
  ) => ({ directory: directory.replace(/(.)\/+$/, "$1"), source, mode, purge }),
  desc: ({ directory, source }) => `${directory} has the files of ${source}`,
  parts: ({ directory, source, mode, purge }) => {
    const entries = filesOfConsfig(source, {
      limit: MOST_BYTES,
      instead: "put an archive there with file.downloaded, and use file.extracted",
    }).map((each): Entry => {
      if (each.type !== "file") return each;
      const own = { type: each.type, path: each.path, mode: each.isExecutable ? executable(mode) : mode };
      const text = each.content.toString();
      return Buffer.from(text).equals(each.content)
        ? { ...own, text }
        : { ...own, base64: each.content.toString("base64") };
    });
    return [mirror({ directory, entries, purge })];
  },
});

/** `mode`, with execution for all who may read. */
const executable = (mode: number): number => mode | ((mode & 0o444) >> 2);
