import { defprop, FailedChange, schema, withCreatedNoted, withCreatedRemoved } from "consfigurator";
import { parentOf } from "./_paths";
import { checkSource } from "./_validate";

const { boolean, object, path } = schema;

/**
 * `from` is a symbolic link to `to`; a relative `to` is relative to the directory of `from`. A link that points
 * elsewhere is changed in one step; anything else at `from` is refused. Missing parent directories are created.
 * Unapplying it deletes a link at `from`, wherever it points, and empty directories that were created for it.
 *
 * @example file.symlinked({ from: "/etc/nginx/sites-enabled/blog", to: "../sites-available/blog" })
 */
export const symlinked = defprop({
  name: "file.symlinked",
  kind: "posix",
  args: object({ from: path(), to: path() }),
  desc: ({ from, to }) => `${from} is a link to ${to}`,
  apply: ({ from, to }, target) =>
    withCreatedNoted(target, parentOf(from), async () => {
      const [link, found] = await Promise.all([target.readLink(from), target.lstat(from)]);
      if (link === to) return "unchanged";
      await checkSource(target, from, to.startsWith("/") ? to : `${parentOf(from)}/${to}`);
      if (!found) await target.makeDirectory(parentOf(from));
      return target.symlink(from, to);
    }),
  unapply: ({ from }, target) =>
    withCreatedRemoved(target, from, async () =>
      (await target.lstat(from))?.type === "symlink" ? target.remove(from) : "unchanged",
    ),
});

/**
 * `destination` is a regular file with the current content of `source`, on the same host. The copy gets the mode,
 * owner, ACLs and times of `source`; later differences in mode and owner count only with `compareMetadata`. The
 * directory must exist. A link at `destination` is replaced; a link at `source` is followed.
 *
 * @example file.isCopyOf("/etc/resolv.conf", "/old-os/etc/resolv.conf")
 */
export const isCopyOf = defprop({
  name: "file.isCopyOf",
  kind: "posix",
  args: object({ destination: path(), source: path(), compareMetadata: boolean() }),
  call: (
    destination: string,
    source: string,
    { compareMetadata = false }: { compareMetadata?: boolean } = {},
  ) => ({
    destination,
    source,
    compareMetadata,
  }),
  desc: ({ destination, source }) => `${destination} is a copy of ${source}`,
  check: async ({ destination, source, compareMetadata }, target) => {
    const [copy, original, same] = await Promise.all([
      target.lstat(destination),
      target.stat(source),
      target.sameContent(destination, source),
    ]);
    if (!same || copy?.type !== "file") return false;
    return (
      !compareMetadata ||
      (copy.mode === original?.mode && copy.uid === original.uid && copy.gid === original.gid)
    );
  },
  apply: async ({ destination, source }, target) => {
    const found = await target.lstat(destination);
    if (found?.type === "directory")
      throw new FailedChange(`cannot copy ${source} to ${destination}: it is a directory`);
    await checkSource(target, destination, source);
    await target.copyFile(source, destination);
    return "changed";
  },
});
