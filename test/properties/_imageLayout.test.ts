import assert from "node:assert/strict";
import { test } from "node:test";
import { imageComplaints, layoutOf, uuidOf } from "../../properties/_imageLayout";
import type { Volume } from "../../properties/_volumes";
import * as disk from "../../properties/disk";

const image = (contents: Volume, volumeSize?: string) =>
  disk.rawDiskImage({ imageFile: "/srv/x.img", ...(volumeSize !== undefined && { volumeSize }) }, contents);

test("a GPT: partitions one after the other, on whole mebibytes", () => {
  const esp = disk.fat32Filesystem({ volumeSize: "512M", mountPoint: "/boot/efi" });
  const root = disk.ext4Filesystem({ mountPoint: "/" });
  const given = image(
    disk.partitionedVolume({}, [
      disk.partition({ partitionTypecode: 0xef02 }),
      disk.partition({ partitionTypecode: 0xef00 }, esp),
      disk.partition({ partitionBootable: true }, root),
    ]),
  );
  const { sectors, extents, table } = layoutOf(given, new Map([[root, 100]]));
  assert.equal(sectors, (1 + 1 + 512 + 100 + 1) * 2048);
  assert.deepEqual(
    extents.map(({ start, sectors, contents }) => [start, sectors, contents?.kind]),
    [
      [2048, 2048, undefined],
      [4096, 512 * 2048, "fat32Filesystem"],
      [4096 + 512 * 2048, 100 * 2048, "ext4Filesystem"],
    ],
  );
  assert.equal(
    table,
    `label: gpt
label-id: ${uuidOf("/srv/x.img")}
first-lba: 34
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, uuid=${uuidOf("/srv/x.img", "1")}
start=4096, size=1048576, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=${uuidOf("/srv/x.img", "2")}
start=1052672, size=204800, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=${uuidOf("/srv/x.img", "3")}, attrs="LegacyBIOSBootable"
`,
  );
  assert.match(uuidOf("a"), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("an MSDOS table; sectors that are given; all that remains", () => {
  const given = image(
    disk.partitionedVolume({ table: "msdos" }, [
      disk.partition({ partitionStartSector: 64, partitionSectors: 8000 }),
      disk.partition({ volumeSize: 2, partitionBootable: true }),
      disk.partition({ volumeSize: "remaining" }, disk.linuxSwap()),
    ]),
    "64M",
  );
  const { sectors, table } = layoutOf(given, new Map());
  assert.equal(sectors, 64 * 2048);
  assert.equal(
    table,
    `label: dos
label-id: 0x${uuidOf("/srv/x.img").slice(0, 8)}
start=64, size=8000, type=83
start=8192, size=4096, type=83, bootable
start=12288, size=116736, type=82
`,
  );
});

test("what cannot be built is said, all of it", () => {
  assert.deepEqual(imageComplaints(disk.rawDiskImage({ imageFile: "/srv/x.img" })), [
    "the image has nothing in it; give it a partition table or a file system",
  ]);
  const given = image(
    disk.partitionedVolume({}, [
      disk.partition({}, disk.luksContainer({ volumeLabel: "c", volumeSize: 20 })),
      disk.partition({ partitionTypecode: 0x1234 }, disk.ext4Filesystem()),
      disk.partition({}, disk.fat32Filesystem({ volumeSize: 8 })),
    ]),
  );
  assert.deepEqual(imageComplaints(given), [
    "luksContainer is not made in an image; there are ext4Filesystem, fat32Filesystem and linuxSwap",
    "ext4Filesystem has no size, and no mount point whose files have one; give it a volumeSize",
    "a FAT file system with 32 bits needs 33 MiB; raise its volumeSize",
    "the type 0x1234 is not known for a table of type gpt; write it as a UUID",
  ]);
});
