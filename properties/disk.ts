/** Disks, partitions, and what is on them. */
import { defprop, schema } from "consfigurator";
import { declaredVolumes, refuseLayout, volume, volumesOf } from "./_declaredVolumes";
import * as os from "./_os";
import { madeVolume, type Volume, type VolumeFields, type VolumeKind } from "./_volumes";

export { imageBuiltFrom, rawImageBuiltFor } from "./_diskImage";
export { hostLogicalVolumesExist } from "./_hostLogicalVolumes";
export type { Bootloader, Volume, VolumeFields, VolumeKind, VolumeSize } from "./_volumes";
export { type OpeningOptions, withOpenedVolumes } from "./_withOpenedVolumes";

const { list, object } = schema;

type Contents<K extends VolumeKind> = K extends "partitionedVolume" ? readonly Volume[] : Volume;
type Params<K extends VolumeKind> =
  {} extends VolumeFields<K>
    ? [fields?: VolumeFields<K>, contents?: Contents<K>]
    : [fields: VolumeFields<K>, contents?: Contents<K>];

/** The function that makes volumes of a kind. */
function maker<K extends VolumeKind>(kind: K) {
  const make = (...params: Params<K>): Volume => {
    const [fields = {}, contents] = params;
    return madeVolume(kind, fields, contents, make);
  };
  return make;
}

/** A disk of the machine, by its `deviceFile`. Without contents it only says what boots from it. */
export const physicalDisk = maker("physicalDisk");
/** A file that is a disk. */
export const rawDiskImage = maker("rawDiskImage");
/** A partition table with a list of partitions: a GPT, or with `{ table: "msdos" }` the older kind. */
export const partitionedVolume = maker("partitionedVolume");
/** A partition; `partitionTypecode` is 0x8300 unless given, such as 0xef00 for an EFI system partition. */
export const partition = maker("partition");
/** Space for the LVM volume group `volumeGroup`. */
export const lvmPhysicalVolume = maker("lvmPhysicalVolume");
/** The logical volume `volumeLabel` in `volumeGroup`. */
export const lvmLogicalVolume = maker("lvmLogicalVolume");
/** An ext4 file system, mounted at `mountPoint`. */
export const ext4Filesystem = maker("ext4Filesystem");
/** A FAT file system, mounted at `mountPoint`. */
export const fat32Filesystem = maker("fat32Filesystem");
/** An ext4 file system that is there already, and is mounted: its UUID is looked up. */
export const mountedExt4Filesystem = maker("mountedExt4Filesystem");
/** A FAT file system that is there already, and is mounted: its UUID is looked up. */
export const mountedFat32Filesystem = maker("mountedFat32Filesystem");
/** An encrypted volume, opened as /dev/mapper/`volumeLabel`. */
export const luksContainer = maker("luksContainer");
/** Swap space. */
export const linuxSwap = maker("linuxSwap");

/** `given` as a list, for `disk.hasVolumes` and `fstab.hasEntriesForVolumes`. */
export const volumes = (...given: Volume[]): readonly Volume[] => given;

/**
 * The host has these disks and logical volumes, for the properties after this one, such as `installer.bootloadersInstalled`. They
 * are in the order in which they are opened: a disk with the space of a volume group before the logical volumes of that.
 * It does not change the machine. A layout that is impossible is refused with all that is wrong with it: a disk or a mount
 * point twice, something too small for what is in it, or what a boot loader needs and does not have.
 *
 * @example disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/sda", bootsWith: grub.grub({ target: "x86_64-efi" }) }))
 * @example disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/sda" }, disk.partitionedVolume({}, [disk.partition({ partitionTypecode: 0xef00 }, disk.fat32Filesystem({ volumeSize: "512M", mountPoint: "/boot/efi" })), disk.partition({ volumeSize: "remaining" }, disk.luksContainer({ volumeLabel: "sda2_crypt" }, disk.lvmPhysicalVolume({ volumeGroup: "vg_laptop" })))])), disk.lvmLogicalVolume({ volumeGroup: "vg_laptop", volumeLabel: "lv_root", volumeSize: "20G" }, disk.ext4Filesystem({ mountPoint: "/" })))
 */
export const hasVolumes = defprop({
  name: "disk.hasVolumes",
  kind: "posix",
  args: object({ volumes: list(volume(), { minItems: 1 }) }),
  call: (...volumes: Volume[]) => ({ volumes }),
  desc: ({ volumes }) =>
    `has ${volumes.map(({ deviceFile, imageFile, volumeGroup, volumeLabel, kind }) => deviceFile ?? imageFile ?? (volumeGroup ? `${volumeGroup}/${volumeLabel}` : kind)).join(", ")}`,
  hostattrs: ({ volumes }, host) => {
    os.required(host, "linux");
    refuseLayout([...volumesOf(host), ...volumes]);
    host.push(declaredVolumes, volumes);
  },
});
