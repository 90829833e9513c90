/** Entries of /etc/fstab for volumes. */
import { AbortedChange, FailedChange, type PosixTarget } from "consfigurator";
import { findmnt } from "./_findmnt";
import { PLACEHOLDER } from "./_table";
import { isFilesystem, placed, plainPath, type Volume } from "./_volumes";

/** A file system that is mounted at `path`, and the volume it is in. */
export interface Mountable {
  readonly volume: Volume;
  readonly parent: Volume | undefined;
  readonly path: string;
}

/** The file systems in `volumes` that have a mount point. */
export const filesystemsIn = (volumes: readonly Volume[]): Mountable[] =>
  placed(volumes).flatMap(({ volume, parent }) =>
    isFilesystem(volume) && volume.mountPoint !== undefined
      ? [{ volume, parent, path: plainPath(volume.mountPoint) }]
      : [],
  );

export const isFat = ({ kind }: Volume): boolean => kind.endsWith("at32Filesystem");

/** What mount(8) calls its type. */
export const typeOf = (volume: Volume): string => (isFat(volume) ? "vfat" : "ext4");

export const mountOptionsOf = (volume: Volume): readonly string[] =>
  volume.mountOptions ?? (isFat(volume) ? [] : ["relatime"]);

/** The entry for a file system, whose source is looked up when it is mounted. */
export const fstabEntry = async (target: PosixTarget, each: Mountable): Promise<string> =>
  entryFrom(await sourceOf(target, each), each);

/** The entry for a file system on `source`. */
export const entryFrom = (source: string, { volume, path }: Omit<Mountable, "parent">): string =>
  [
    source,
    path,
    typeOf(volume),
    mountOptionsOf(volume).join(",") || "defaults",
    "0",
    path === "/" ? "1" : "2",
  ].join(" ");

async function sourceOf(target: PosixTarget, { volume, parent, path }: Mountable): Promise<string> {
  if (!volume.kind.startsWith("mounted") || (isFat(volume) && parent?.kind === "lvmLogicalVolume"))
    return parent?.kind === "lvmLogicalVolume"
      ? `/dev/${parent.volumeGroup}/${parent.volumeLabel}`
      : PLACEHOLDER;
  const name = isFat(volume) && parent?.kind === "partition" ? "PARTUUID" : "UUID";
  const found = await findmnt(target, "--mountpoint", path, ["FSTYPE", name]);
  if (!found) throw new AbortedChange(`nothing is mounted at ${path}; mount it before this property`);
  const { FSTYPE: type, [name]: id } = found;
  const expected = typeOf(volume);
  if (type !== expected)
    throw new FailedChange(`what is mounted at ${path} is ${type}, not ${expected}; correct the volume`);
  if (id) return `${name}=${id}`;
  throw new FailedChange(
    `the ${name} of what is mounted at ${path} is not known to findmnt; use fstab.hasEntries`,
  );
}
