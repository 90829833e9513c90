/** What is mounted. */
import { AbortedChange, defprop, InapplicableProperty, type PosixTarget, schema } from "consfigurator";
import * as mounts from "./_mounts";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { boolean, object, string } = schema;

const mountPoint = () =>
  string({
    pattern: "^(/|(/(?!\\.{1,2}(/|$))[^/\\u0000\\n]+)+)$",
    description: "an absolute path without . and .., and without a slash at the end",
  });

async function needsEntry(target: PosixTarget, path: string): Promise<void> {
  const entries = (await target.readLines("/etc/fstab")).map((line) => line.trim().split(/\s+/));
  const isThere = entries.some(
    ([source = "", at = ""]) =>
      !source.startsWith("#") && mounts.unescaped(at).replace(/(?<=.)\/+$/, "") === path,
  );
  if (isThere) return;
  throw new AbortedChange(
    `/etc/fstab does not say what is mounted at ${path}; put fstab.hasEntries before this property`,
  );
}

/**
 * Something is mounted at `path`. If nothing is, what /etc/fstab says is mounted there; the directory is made if it is missing.
 * Unapplying it unmounts that.
 *
 * @example mount.mounted("/srv")
 */
export const mounted = defprop({
  name: "mount.mounted",
  kind: "posix",
  args: object({ path: mountPoint() }),
  call: (path: string) => ({ path }),
  desc: ({ path }) => `${path} is mounted`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  check: ({ path }, target) => target.isMountPoint(path),
  apply: async ({ path }, target) => {
    await needsRoot(target, "mount.mounted");
    await needsEntry(target, path);
    await target.makeDirectory(path);
    await mounts.mountAt(target, path);
    return "changed";
  },
  unapply: async ({ path }, target) => {
    await needsRoot(target, "mount.mounted");
    if (!(await target.isMountPoint(path))) return "unchanged";
    await mounts.unmountAt(target, path);
    return "changed";
  },
});

/**
 * Nothing is mounted below `directory`, nor at it. With `{ andAt: false }`, something may be mounted at it. A mount that is shared,
 * such as a /dev that was bound with `mount --rbind`, is unmounted where it came from, too: make it a slave first. What
 * uses a mount is named when that cannot be unmounted.
 *
 * @example mount.unmountedBelow("/srv/chroot")
 */
export const unmountedBelow = defprop({
  name: "mount.unmountedBelow",
  kind: "posix",
  args: object({ directory: mountPoint(), andAt: boolean() }),
  call: (directory: string, { andAt = true }: { readonly andAt?: boolean } = {}) => ({ directory, andAt }),
  desc: ({ directory, andAt }) => `nothing is mounted below ${directory}${andAt ? ", nor at it" : ""}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  check: async ({ directory, andAt }, target) =>
    (await mounts.mountsBelow(target, directory, { andAt })).mounts.length === 0,
  apply: async ({ directory, andAt }, target) => {
    await needsRoot(target, "mount.unmountedBelow");
    return mounts.unmountedBelow(target, directory, { andAt });
  },
});

/** Without these a system is none. */
const VITAL =
  /^\/(bin|boot|dev|etc|home|lib\w*|proc|root|run|sbin|sys|tmp|usr|var)?$|^\/usr\/(s?bin|lib\w*)$|^\/var\/lib$/;

/**
 * Nothing is mounted below `directory`, and it does not exist. Swap space in it is no longer used; a directory at which something
 * is mounted is emptied instead. Links in it are not followed. A directory that every system needs, such as /usr, is refused.
 *
 * @example mount.unmountedBelowAndRemoved("/old-os")
 */
export const unmountedBelowAndRemoved = defprop({
  name: "mount.unmountedBelowAndRemoved",
  kind: "posix",
  args: object({ directory: mountPoint() }),
  call: (directory: string) => ({ directory }),
  desc: ({ directory }) => `nothing is mounted below ${directory}, and it is removed`,
  hostattrs: ({ directory }, host) => {
    os.required(host, "linux");
    if (VITAL.test(directory))
      throw new InapplicableProperty(`a system without ${directory} does not work; name another directory`);
  },
  check: async ({ directory }, target) => {
    if ((await target.lstat(directory)) === undefined) return true;
    return (await target.isMountPoint(directory)) && (await target.list(directory))?.length === 0;
  },
  apply: async ({ directory }, target) => {
    await needsRoot(target, "mount.unmountedBelowAndRemoved");
    return mounts.unmountedBelowAndRemoved(target, directory);
  },
});
