/** Swap space. */
import {
  AbortedChange,
  defprop,
  defproplist,
  FailedChange,
  InapplicableProperty,
  type PosixTarget,
  schema,
  shellQuote,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { isInhibited } from "./_inhibited";
import { isSwap, SWAPS, swapFiles } from "./_mounts";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { refuseAnother } from "./_ownFile";
import { parentOf } from "./_paths";
import { refuseInSharedDirectory } from "./_sharedDirectory";
import { hasEntries } from "./fstab";

export { resumeConfigured } from "./_swapResume";

const { object, size, string } = schema;

const location = () =>
  string({
    pattern: "^(/(?!\\.{1,2}(/|$))[^/\\s\\\\]+)+$",
    description: 'the absolute path of a file without blanks, such as "/var/lib/swapfile"',
  });
const fileArgs = object({ size: size(), location: location() });

/** What mkswap(8) needs at least is 10 pages of memory, which are of 64 KiB at most. */
const LEAST = 10 * 64 * 1024;

/** The bytes of a size as fallocate(1) reads it. */
function bytesOf(size: string): number {
  const [, digits = "0", unit = "", suffix] = /^([0-9]+)([KMGTPE]?)(iB|B)?$/.exec(size) ?? [];
  return Number(digits) * (suffix === "B" ? 1000 : 1024) ** " KMGTPE".indexOf(unit || " ");
}

const swapFile = defprop({
  name: "swap._file",
  kind: "posix",
  args: fileArgs,
  desc: ({ size, location }) => `${size} of swap space in ${location}`,
  check: async ({ size, location }, target) => {
    const [found, inUse] = await Promise.all([target.lstat(location), swapFiles(target)]);
    const isMade = found?.type === "file" && found.size === bytesOf(size) && found.mode === 0o600;
    if (!isMade) return false;
    return inUse.includes(location) || (isInhibited(target) && (await isSwap(target, location)));
  },
  apply: async ({ size, location }, target) => {
    await needsRoot(target, "swap.hasSwapFile");
    const found = await target.lstat(location);
    const inUse = (await swapFiles(target)).includes(location);
    if (found && !inUse && !(found.type === "file" && (await isSwap(target, location))))
      throw new AbortedChange(
        `${location} is there, and is no swap space; remove it, or name another location`,
      );
    const isKept = found?.size === bytesOf(size);
    if (isKept) await target.setMode(location, 0o600);
    else {
      await refuseInSharedDirectory(target, location);
      await refuseUnlessRoom(target, bytesOf(size), location, found?.size ?? 0);
      if (inUse) await swapoff(target, location);
      await withCreatedNoted(target, location, () => makeSwapFile(target, bytesOf(size), location));
    }
    if (!isInhibited(target) && !(isKept && inUse)) await swapon(target, location, !isKept);
    return "changed";
  },
  unapply: async ({ location }, target) => {
    await needsRoot(target, "swap.hasSwapFile");
    if ((await swapFiles(target)).includes(location)) await swapoff(target, location);
    return withCreatedRemoved(target, location, () => target.remove(location));
  },
});

/** A full file system stops more than this deployment. */
async function refuseUnlessRoom(
  target: PosixTarget,
  bytes: number,
  location: string,
  present: number,
): Promise<void> {
  let directory = parentOf(location);
  while ((await target.stat(directory)) === undefined) directory = parentOf(directory);
  const { stdout } = await target.query(["df", "-P", "-k", directory], { about: { paths: [directory] } });
  const free = Number(stdout.trim().split("\n").at(-1)?.split(/\s+/)[3]) * 1024 + present;
  if (free > bytes) return;
  const shown = (count: number): string => `${Math.floor(count / 1024 / 1024)} MiB`;
  throw new AbortedChange(
    `${shown(bytes)} of swap space do not fit into ${directory}, in which ${shown(free)} are free; lower the size, or name another location`,
  );
}

/**
 * The file gets its name when it is complete: what is killed leaves none that looks like swap space. Btrfs needs one without
 * copy-on-write; the file systems on which fallocate does not work, one that is written.
 */
async function makeSwapFile(target: PosixTarget, bytes: number, location: string): Promise<"changed"> {
  await target.makeDirectory(parentOf(location));
  const [file, draft] = [shellQuote(location), shellQuote(`${location}.new`)];
  const { exit, stdout, stderr } = await target.run(
    `umask 077; rm -f ${draft} ${file} && : >${draft} || exit
chattr +C ${draft} 2>/dev/null
{ fallocate -l ${bytes} ${draft} 2>/dev/null || head -c ${bytes} /dev/zero >${draft}; } &&
  mkswap ${draft} >/dev/null && mv ${draft} ${file} || { code=$?; rm -f ${draft}; exit $code; }`,
    { mayFail: true, touches: { paths: [location, `${location}.new`] } },
  );
  if (exit === 0) return "changed";
  const said = `${stderr}${stdout}`.trim() || `exit code ${exit}`;
  throw new FailedChange(`no swap space could be made in ${location}: ${said}`);
}

async function swapon(target: PosixTarget, location: string, isNew: boolean): Promise<void> {
  const { exit, stderr } = await target.run(["swapon", location], {
    mayFail: true,
    touches: { paths: [SWAPS] },
  });
  if (exit === 0) return;
  if (isNew) await target.remove(location);
  throw new FailedChange(
    `${location} cannot be used as swap space; name a location on a file system that allows it, such as ext4: ${stderr.trim() || `exit code ${exit}`}`,
  );
}

const swapoff = (target: PosixTarget, location: string) =>
  target.run(["swapoff", location], { touches: { paths: [SWAPS] } });

/**
 * The file `location` (default: /var/lib/swapfile), which only root may read, is swap space of `size`: now, and by /etc/fstab after
 * each boot. It is made where there is room for it, and made anew for another size. A file there that is no swap space is
 * refused, and so is a directory that others than root can write to. Where services are inhibited it is not used yet. Unapplying it ends its use, and removes it.
 *
 * @example swap.hasSwapFile("2G")
 */
export const hasSwapFile = defproplist({
  name: "swap.hasSwapFile",
  args: fileArgs,
  call: (size: string, { location = "/var/lib/swapfile" }: { readonly location?: string } = {}) => ({
    size,
    location,
  }),
  desc: ({ size, location }) => `swap file ${location} of ${size}`,
  hostattrs: ({ size, location }, host) => {
    os.required(host, "linux");
    refuseAnother(host, location, size);
    if (bytesOf(size) < LEAST)
      throw new InapplicableProperty(`swap space of ${size} is too small; give it at least 1M`);
  },
  parts: ({ size, location }) => [
    swapFile({ size, location }),
    hasEntries(`${location} swap swap defaults 0 0`),
  ],
});
