import assert from "node:assert/strict";
import { test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import { volumesOf } from "../../properties/_declaredVolumes";
import * as disk from "../../properties/disk";
import * as grub from "../../properties/grub";
import { debianStable } from "../../properties/os";

const prepared = (...applications: PropApp[]) =>
  prepare({ name: "web1" }, eseqprops(debianStable("bookworm", "amd64"), ...applications));

const refusal = (...applications: PropApp[]): string[] => {
  try {
    prepared(...applications);
    return [];
  } catch (error) {
    return (error as Error).message.replace(/^.*?\.ts:\d+:\d+: /, "").split("\n");
  }
};

const root = disk.ext4Filesystem({ mountPoint: "/" });

test("volumes are declared in the order in which they are opened", () => {
  const vg = disk.lvmPhysicalVolume({ volumeGroup: "vg" });
  const first = disk.physicalDisk({ deviceFile: "/dev/sda" }, vg);
  const lv = disk.lvmLogicalVolume({ volumeGroup: "vg", volumeLabel: "lv", volumeSize: "4G" }, root);
  const { model } = prepared(disk.hasVolumes(first), disk.hasVolumes(lv));
  assert.deepEqual(volumesOf(model), [first, lv]);
});

test("fields and contents that do not fit are refused where they are written", () => {
  const refused = (make: () => unknown, message: string) =>
    assert.throws(make, { name: "InvalidArguments", message });
  refused(
    () => disk.partition({ volumeSize: "512m" }),
    'disk.partition: fields.volumeSize is "512m"; it must be a size in MiB, one such as "512M" or "20G", or "remaining"',
  );
  refused(
    () => disk.physicalDisk({ deviceFile: "sda" }),
    'disk.physicalDisk: fields.deviceFile is "sda"; it must be a device, such as "/dev/sda"',
  );
  refused(
    () => disk.physicalDisk({}, disk.partition()),
    "disk.physicalDisk: partition cannot be in it; partitionedVolume, ext4Filesystem, fat32Filesystem, mountedExt4Filesystem, mountedFat32Filesystem, luksContainer, lvmPhysicalVolume, linuxSwap can",
  );
  refused(
    () => disk.luksContainer({ volumeLabel: "c" }, [root] as never),
    "disk.luksContainer: it has at most one thing in it, not a list",
  );
});

test("a layout that is impossible is refused before connecting, with all that is wrong", () => {
  const sda = (...partitions: disk.Volume[]) =>
    disk.physicalDisk({ deviceFile: "/dev/sda" }, disk.partitionedVolume({}, partitions));
  assert.deepEqual(
    refusal(
      disk.hasVolumes(
        sda(disk.partition({ volumeSize: "remaining" }, root), disk.partition({ partitionSectors: 8 })),
        disk.physicalDisk({ deviceFile: "/dev/sda" }, disk.ext4Filesystem({ mountPoint: "/" })),
      ),
    ),
    [
      "/dev/sda is there twice; give each disk one entry",
      "two file systems are mounted at /; correct one of the mount points",
      'partitionedVolume: only the last partition can have the size "remaining"',
      "partition: partitionSectors needs a partitionStartSector, too",
    ],
  );
  assert.deepEqual(
    refusal(
      disk.hasVolumes(sda(disk.partition({ volumeSize: "1G" }, disk.ext4Filesystem({ volumeSize: "2G" })))),
    ),
    ["partition: its 1024 MiB are too few for what is in it, which needs 2048; raise volumeSize"],
  );
  assert.deepEqual(refusal(disk.hasVolumes(disk.linuxSwap())), [
    "linuxSwap: it is in no disk; put it into one",
  ]);
  assert.deepEqual(refusal(disk.hasVolumes(sda(disk.partition({ volumeSize: "remaining" }, root)))), []);
});

test("a disk has what its boot loader needs", () => {
  const booting = (target: grub.GrubTarget, table: "gpt" | "msdos", ...codes: number[]) =>
    refusal(
      disk.hasVolumes(
        disk.physicalDisk(
          { deviceFile: "/dev/sda", bootsWith: grub.grub({ target }) },
          disk.partitionedVolume(
            { table },
            codes.map((partitionTypecode) => disk.partition({ partitionTypecode, volumeSize: 1 })),
          ),
        ),
      ),
    ).join("; ");
  assert.equal(
    booting("i386-pc", "gpt", 0xef00),
    "/dev/sda: GRUB for i386-pc needs a BIOS boot partition in a GPT; add disk.partition({ partitionTypecode: 0xef02, volumeSize: 1 })",
  );
  assert.equal(
    booting("x86_64-efi", "gpt", 0xef02),
    "/dev/sda: GRUB for x86_64-efi needs an EFI system partition; give one the partitionTypecode 0xef00",
  );
  assert.equal(booting("i386-pc", "gpt", 0xef02, 0x8300), "");
  assert.equal(booting("i386-pc", "msdos", 0x8300), "");
  assert.equal(booting("x86_64-efi", "gpt", 0xef00), "");
});
