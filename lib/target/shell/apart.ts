import { isWithin } from "../host-parts";
import type { Mount } from "../mounts";

/**
 * Whether an act on the file at `one` certainly leaves alone what is at `other`. Both are absolute paths without links.
 * Two mounts may show the same files, so what is certain is only what is below the same mount, or on different devices.
 */
export function areApart(one: string, other: string, mounts: readonly Mount[]): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  if (isWithin(a, b) || isWithin(b, a)) return false;
  const [mount, otherMount] = [mountOf(one, mounts), mountOf(other, mounts)];
  if (!mount || !otherMount) return false;
  if (mount === otherMount) return ON_DISK.has(mount.type) || mount.type === "overlay";
  return ON_DISK.has(mount.type) && ON_DISK.has(otherMount.type) && mount.device !== otherMount.device;
}

/** File systems in which a file changes only when it is changed there. */
const ON_DISK = new Set(["btrfs", "ext2", "ext3", "ext4", "f2fs", "tmpfs", "vfat", "xfs", "zfs"]);

/** The mount that `place` is below: of two at the same place the later one, which hides the other. */
const mountOf = (place: string, mounts: readonly Mount[]): Mount | undefined =>
  mounts.reduce<Mount | undefined>(
    (found, mount) =>
      isWithin(place, mount.place) && mount.place.length >= (found?.place.length ?? 0) ? mount : found,
    undefined,
  );
