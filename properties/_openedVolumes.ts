/** Volumes that are open during a part of a deployment, and the entries of tables for them. */
import { AbortedChange, carriedValue, FailedChange, type PosixTarget } from "consfigurator";
import { entryFrom, isFat } from "./_fstabVolumes";
import { isFilesystem, plainPath, shownVolume, type Volume } from "./_volumes";

/** A volume that is open. */
export interface OpenedVolume {
  /** Without what is in it. Its mount point is where it is mounted, and missing where that is not to be seen. */
  readonly volume: Volume;
  /** The volume that it is directly in, without what is in that. */
  readonly parent?: Volume;
  /** The device that it is on; of a partition, a logical volume and a disk: that which it is. */
  readonly device: string;
}

/** Set by `disk.withOpenedVolumes`. In a chroot, the mount points are those that are seen there. */
export const openedHere = carriedValue<readonly OpenedVolume[]>("disk.openedVolumes", (opened, { root }) =>
  opened.map((each) => ({ ...each, volume: seenBelow(plainPath(root), each.volume) })),
);

function seenBelow(root: string, volume: Volume): Volume {
  const { mountPoint, ...rest } = volume;
  if (mountPoint === undefined || root === "/") return volume;
  if (mountPoint === root) return { ...rest, mountPoint: "/" };
  return mountPoint.startsWith(`${root}/`) ? { ...rest, mountPoint: mountPoint.slice(root.length) } : rest;
}

/** The volumes that are open for `target`; none may be, but something must have opened them. */
export function openedFor(target: PosixTarget): readonly OpenedVolume[] {
  const opened = openedHere.of(target);
  if (opened !== undefined) return opened;
  throw new AbortedChange("no volumes are opened here; put this property into disk.withOpenedVolumes");
}

/** What blkid finds on `device` itself, not what it remembers. */
async function idsOf(target: PosixTarget, device: string): Promise<Map<string, string>> {
  const { stdout } = await target.query(["blkid", "--probe", "--output", "export", device], {
    about: { paths: [device] },
    mayFail: true,
  });
  return new Map(stdout.split("\n").map((line) => line.split("=", 2) as [string, string]));
}

async function idOf(target: PosixTarget, { volume, parent, device }: OpenedVolume): Promise<string> {
  const ids = await idsOf(target, device);
  const partition = isFat(volume) && parent?.kind === "partition" ? ids.get("PART_ENTRY_UUID") : undefined;
  const uuid = ids.get("UUID");
  if (partition) return `PARTUUID=${partition}`;
  if (uuid) return `UUID=${uuid}`;
  throw new FailedChange(`${device}, which should be ${shownVolume(volume)}, has no UUID`);
}

/** An entry of fstab(5) for each of `opened` that is mounted where it can be seen, and for swap space. */
export async function fstabEntries(
  target: PosixTarget,
  opened: readonly OpenedVolume[],
): Promise<readonly string[]> {
  const entries: string[] = [];
  for (const each of opened) {
    const { volume } = each;
    if (volume.kind === "linuxSwap") entries.push(`${await idOf(target, each)} none swap sw 0 0`);
    else if (isFilesystem(volume) && volume.mountPoint !== undefined)
      entries.push(entryFrom(await idOf(target, each), { volume, path: volume.mountPoint }));
  }
  return entries;
}

/** An entry of crypttab(5) for each of `opened` that is encrypted. */
export async function crypttabEntries(
  target: PosixTarget,
  opened: readonly OpenedVolume[],
): Promise<readonly string[]> {
  const entries: string[] = [];
  for (const each of opened.filter(({ volume }) => volume.kind === "luksContainer")) {
    const { volumeLabel, crypttabKeyfile = "none", crypttabOptions } = each.volume;
    const options = (crypttabOptions ?? ["luks", "discard", "initramfs"]).join(",") || "none";
    entries.push(`${volumeLabel} ${await idOf(target, each)} ${crypttabKeyfile} ${options}`);
  }
  return entries;
}
