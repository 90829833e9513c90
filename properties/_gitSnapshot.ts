/** Snapshots of repositories, from the data of the consfig. */
import { AbortedChange, type Change, defprop, type PosixTarget, schema } from "consfigurator";

const { boolean, object, optional, path, string } = schema;

const DATA = "--git-snapshot";

/**
 * `directory` has the directory `snapshotName`: the work tree and the history of a repository, from the prerequisite data
 * ("--git-snapshot", `snapshotName`), such as of `source.gitSnapshot`. It has no remotes, and the host needs no git. What is
 * there already stays as it is; with `replace: true`, one whose commit is another is replaced, **with all that was changed in
 * it**, once the new one is complete. Unapplying it deletes the directory `snapshotName`.
 *
 * @example git.snapshotExtracted("site", "/srv", { replace: true })
 */
export const snapshotExtracted = defprop({
  name: "git.snapshotExtracted",
  kind: "posix",
  args: object({
    snapshotName: string({
      pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$",
      description: "the name of a directory",
    }),
    directory: path(),
    replace: optional(boolean()),
  }),
  call: (snapshotName: string, directory: string, options: { readonly replace?: boolean } = {}) => ({
    snapshotName,
    directory,
    ...options,
  }),
  desc: ({ snapshotName, directory }) => `snapshot ${snapshotName} in ${directory}`,
  hostattrs: ({ snapshotName }, host) => host.requireData(DATA, snapshotName),
  apply: async ({ snapshotName, directory, replace = false }, target) => {
    const dest = `${directory}/${snapshotName}`;
    const found = await target.lstat(dest);
    if (found && !replace) return "unchanged";
    const data = await target.dataStream(DATA, snapshotName);
    await target.makeDirectory(directory);
    return target.withTemporaryDirectory<Change>(
      async (temporary) => {
        const fresh = `${temporary}/${snapshotName}`;
        await target.run(["tar", "-x", "-z", "-o", "-f", "-"], {
          input: data,
          cwd: temporary,
          touches: {
            paths: [temporary, dest.startsWith("/") ? dest : `${(await target.identity()).home}/${dest}`],
          },
        });
        const commit = await commitIn(target, fresh);
        if (commit === undefined)
          throw new AbortedChange(
            `the data (${DATA}, ${snapshotName}) is no archive of a repository in the directory ${snapshotName}; correct it where it comes from`,
          );
        if (commit === (await commitIn(target, dest))) return "unchanged";
        await target.remove(dest, { recursive: true });
        await target.rename(fresh, dest);
        return "changed";
      },
      { directory },
    );
  },
  unapply: ({ snapshotName, directory }, target) =>
    target.remove(`${directory}/${snapshotName}`, { recursive: true }),
});

/** The commit that is checked out in the work tree `tree`; undefined when it is none. Needs no git. */
async function commitIn(target: PosixTarget, tree: string): Promise<string | undefined> {
  const [head] = await target.readLines(`${tree}/.git/HEAD`);
  const [, name] = /^ref: (refs\/.+)$/.exec(head ?? "") ?? [];
  if (name === undefined) return head;
  const [loose] = await target.readLines(`${tree}/.git/${name}`);
  if (loose) return loose;
  const packed = await target.readLines(`${tree}/.git/packed-refs`);
  return packed.find((line) => line.endsWith(` ${name}`))?.split(" ")[0];
}
