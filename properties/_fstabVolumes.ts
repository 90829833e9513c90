/** Entries of /etc/fstab for volumes. */
import { AbortedChange, FailedChange, type PosixTarget } from "consfigurator";
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

const isFat = ({ kind }: Volume): boolean => kind.endsWith("at32Filesystem");

/** The entry for a file system, whose source is looked up when it is mounted. */
export const fstabEntry = async (target: PosixTarget, each: Mountable): Promise<string> =>
  entryFrom(await sourceOf(target, each), each);

/** The entry for a file system on `source`. */
export const entryFrom = (source: string, { volume, path }: Omit<Mountable, "parent">): string =>
  [
    source,
    path,
    isFat(volume) ? "vfat" : "ext4",
    (volume.mountOptions ?? (isFat(volume) ? [] : ["relatime"])).join(",") || "defaults",
    "0",
    path === "/" ? "1" : "2",
  ].join(" ");

async function sourceOf(target: PosixTarget, { volume, parent, path }: Mountable): Promise<string> {
  if (!volume.kind.startsWith("mounted") || (isFat(volume) && parent?.kind === "lvmLogicalVolume"))
    return parent?.kind === "lvmLogicalVolume"
      ? `/dev/${parent.volumeGroup}/${parent.volumeLabel}`
      : PLACEHOLDER;
  const name = isFat(volume) && parent?.kind === "partition" ? "PARTUUID" : "UUID";
  const { FSTYPE: type, [name]: id } = await mountedAt(target, path, name);
  const expected = isFat(volume) ? "vfat" : "ext4";
  if (type !== expected)
    throw new FailedChange(`what is mounted at ${path} is ${type}, not ${expected}; correct the volume`);
  if (id) return `${name}=${id}`;
  throw new FailedChange(
    `the ${name} of what is mounted at ${path} is not known to findmnt; use fstab.hasEntries`,
  );
}

async function mountedAt(
  target: PosixTarget,
  path: string,
  name: "UUID" | "PARTUUID",
): Promise<Readonly<Record<string, string | undefined>>> {
  const { exit, stdout } = await target.query(
    ["findmnt", "--noheadings", "--pairs", "--output", `FSTYPE,${name}`, "--mountpoint", path],
    { mayFail: true, about: { paths: ["/proc/self/mountinfo", path] } },
  );
  if (exit !== 0) throw new AbortedChange(`nothing is mounted at ${path}; mount it before this property`);
  // What is mounted on top comes last.
  const line = stdout.trim().split("\n").at(-1) ?? "";
  return Object.fromEntries(
    [...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]),
  );
}
