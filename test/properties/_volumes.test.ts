import assert from "node:assert/strict";
import { test } from "node:test";
import { minimumSize, placed } from "../../properties/_volumes";
import * as disk from "../../properties/disk";

const esp = disk.partition(
  { partitionTypecode: 0xef00 },
  disk.fat32Filesystem({ volumeSize: "512M", mountPoint: "/boot/efi/" }),
);

test("everything in a volume, each before what is in it", () => {
  const table = disk.partitionedVolume({}, [esp]);
  const found = placed([disk.physicalDisk({ deviceFile: "/dev/sda" }, table)]);
  assert.deepEqual(
    found.map(({ volume, parent }) => [volume.kind, parent?.kind]),
    [
      ["physicalDisk", undefined],
      ["partitionedVolume", "physicalDisk"],
      ["partition", "partitionedVolume"],
      ["fat32Filesystem", "partition"],
    ],
  );
});

test("what a volume needs at least", () => {
  const root = disk.partition({}, disk.ext4Filesystem({ volumeSize: "2G", mountPoint: "/" }));
  const image = disk.rawDiskImage({ imageFile: "/srv/x.img" }, disk.partitionedVolume({}, [esp, root]));
  assert.equal(minimumSize(image), 512 + 2048 + 2);
  assert.equal(minimumSize(disk.lvmLogicalVolume({ volumeGroup: "vg", volumeLabel: "lv" })), 1);
  const crypt = disk.luksContainer({ volumeLabel: "c" }, disk.lvmPhysicalVolume({ volumeGroup: "vg" }));
  assert.equal(minimumSize(disk.partition({ volumeSize: "remaining" }, crypt)), 16 + 4);
  assert.equal(minimumSize(disk.linuxSwap({ volumeSize: "3T" })), 3 * 1024 * 1024);
});
