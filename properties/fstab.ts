/** What is mounted where, in /etc/fstab. */
import { defprop, InapplicableProperty, schema } from "consfigurator";
import { refuseLayout, volume, volumesOf } from "./_declaredVolumes";
import { filesystemsIn, fstabEntry } from "./_fstabVolumes";
import { fstabEntries, openedFor } from "./_openedVolumes";
import * as os from "./_os";
import { PLACEHOLDER } from "./_table";
import { entriesIn, FSTAB } from "./_tableFile";
import type { Volume } from "./_volumes";

const { list, object, optional, string } = schema;

/** An entry of /etc/fstab. */
export interface FstabEntry {
  /** The device or the like, such as "UUID=…". Default: that of the present entry for the mount point. */
  readonly source?: string;
  /** Where it is mounted; "none" for swap space. */
  readonly mountPoint: string;
  /** The type of the file system, such as "ext4", or "swap". */
  readonly type: string;
  /** Default: "defaults". */
  readonly options?: readonly string[];
  /** In which turn it is checked at boot; 0 is never. Default: 0. */
  readonly pass?: 0 | 1 | 2;
}

const entry = () =>
  string({
    pattern: "^[^\\s#]\\S*[ \\t]+(/\\S*|none|swap)([ \\t]+\\S+){2}([ \\t]+[0-9]+){0,2}[ \\t]*$",
    description:
      'an entry of fstab(5): source, mount point, type and options, such as "UUID=1c2d-3e4f /srv ext4 defaults 0 2"',
  });

/** As fstab(5) writes a blank or a backslash in a word. */
const escaped = (word: string): string =>
  word.replace(/[\s\\]/g, (each) => `\\${each.charCodeAt(0).toString(8).padStart(3, "0")}`);

const lineOf = ({ source = PLACEHOLDER, mountPoint, type, options = [], pass = 0 }: FstabEntry): string =>
  [source, mountPoint, type, options.join(",") || "defaults"]
    .map(escaped)
    .concat("0", String(pass))
    .join(" ");

/**
 * /etc/fstab has each of `entries`: lines as in fstab(5), or objects with `source`, `mountPoint`, `type`, `options` and
 * `pass`. An entry replaces the one for its mount point, or for the source of swap space. With the source "PLACEHOLDER" or
 * "none", or without one, it keeps that of the entry that it replaces. Each entry is put below those that it needs to be
 * mounted first; comments stay above theirs. Nothing is mounted: see `mount.mounted`. Unapplying it removes the entries, but
 * not those whose source was kept.
 *
 * @example fstab.hasEntries("UUID=2b0a5a3c-6a5e-4c0d-9d3e-0f7a1c7b9a51 /srv ext4 noatime 0 2", "tmpfs /tmp tmpfs size=1G,nosuid,nodev 0 0")
 * @example fstab.hasEntries({ mountPoint: "/", type: "ext4", options: ["noatime"], pass: 1 })
 */
export const hasEntries = defprop({
  name: "fstab.hasEntries",
  kind: "posix",
  args: object({ entries: list(entry(), { minItems: 1 }) }),
  call: (...entries: (string | FstabEntry)[]) => ({
    entries: entries.map((each) => (typeof each === "object" && each !== null ? lineOf(each) : each)),
  }),
  desc: ({ entries }) => `/etc/fstab has ${entries.join(", ")}`,
  ...entriesIn(FSTAB, "fstab.hasEntries"),
});

const inTable = entriesIn(FSTAB, "fstab.hasEntriesForVolumes");

/**
 * /etc/fstab has an entry for each file system of `volumes` that has a mount point; without `volumes`, of those that
 * `disk.hasVolumes` declares. One that is mounted already, such as `disk.mountedExt4Filesystem`, is named by its UUID, and in a
 * partition with FAT by that of the partition; one on a logical volume by its name. For others the source that is there is kept,
 * as in `fstab.hasEntries`. Something else mounted there than the volume says is a failure.
 *
 * @example fstab.hasEntriesForVolumes(disk.volumes(disk.mountedExt4Filesystem({ mountPoint: "/" }), disk.partition({}, disk.mountedFat32Filesystem({ mountPoint: "/boot/efi/" }))))
 */
export const hasEntriesForVolumes = defprop({
  name: "fstab.hasEntriesForVolumes",
  kind: "posix",
  args: object({ volumes: optional(list(volume(), { minItems: 1 })) }),
  call: (volumes?: readonly Volume[]) => ({ ...(volumes && { volumes: [...volumes] }) }),
  desc: ({ volumes }) =>
    `/etc/fstab has ${
      volumes
        ? filesystemsIn(volumes)
            .map(({ path }) => path)
            .join(", ")
        : "the volumes of the host"
    }`,
  hostattrs: ({ volumes }, host) => {
    os.required(host, "linux");
    if (volumes) refuseLayout(volumes);
    if (filesystemsIn(volumes ?? volumesOf(host)).length === 0)
      throw new InapplicableProperty(
        volumes
          ? "none of the volumes has a mount point; give one to a file system"
          : `no volume of ${host.name} has a mount point; put disk.hasVolumes before this property, or name the volumes`,
      );
  },
  apply: async ({ volumes }, target) => {
    const entries: string[] = [];
    for (const each of filesystemsIn(volumes ?? volumesOf(target.host)))
      entries.push(await fstabEntry(target, each));
    return inTable.apply({ entries }, target);
  },
});

const inTableOpened = entriesIn(FSTAB, "fstab.hasEntriesForOpenedVolumes");

/**
 * /etc/fstab has an entry for each file system and swap space that `disk.withOpenedVolumes` around this property has opened. Each is
 * named by its UUID, and in a partition with FAT by that of the partition. In a chroot, only what is mounted in there counts.
 *
 * @example disk.withOpenedVolumes(disk.volumes(disk.physicalDisk({ deviceFile: "/dev/sdb" }, disk.ext4Filesystem({ mountPoint: "/" }))), { mountBelow: "/mnt" }, chroot.deploysThese("/mnt", "web9.example.org", os.debianStable("bookworm", "amd64"), fstab.hasEntriesForOpenedVolumes()))
 */
export const hasEntriesForOpenedVolumes = defprop({
  name: "fstab.hasEntriesForOpenedVolumes",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "/etc/fstab has the opened volumes",
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async (_args, target) => {
    const entries = await fstabEntries(target, openedFor(target));
    return entries.length === 0 ? "unchanged" : inTableOpened.apply({ entries }, target);
  },
});
