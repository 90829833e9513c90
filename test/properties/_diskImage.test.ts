import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as disk from "../../properties/disk";
import * as grub from "../../properties/grub";
import { debianStable } from "../../properties/os";
import * as uBoot from "../../properties/uBoot";
import { limit } from "../support/load";
import { needsMachines } from "../support/machines";
import { bootSides, holdsAfterwards, isUndone, type Side, type Sides, succeeds } from "../support/sides";
import { until } from "../support/until";

const imageOf = (...partitions: disk.Volume[]) =>
  disk.rawDiskImage({ imageFile: "/srv/out/x.img" }, disk.partitionedVolume({}, partitions));

test("refused before connecting", () => {
  const refusal = (application: PropApp) => {
    try {
      prepare({ name: "web1" }, eseqprops(debianStable("bookworm", "amd64"), application));
      return undefined;
    } catch (error) {
      return (error as Error).message.replace(/^.*?\.ts:\d+:\d+: /, "");
    }
  };
  const root = disk.ext4Filesystem({ mountPoint: "/" });
  assert.equal(
    refusal(disk.imageBuiltFrom("/srv/tree", disk.physicalDisk({ deviceFile: "/dev/sda" }, root))),
    "a physicalDisk is no file; give it a disk.rawDiskImage",
  );
  const within = disk.rawDiskImage(
    { imageFile: "/srv/tree/x.img", bootsWith: uBoot.installRockchip() },
    root,
  );
  assert.equal(
    refusal(disk.imageBuiltFrom("/srv/tree", within)),
    "uBoot.installRockchip cannot be put into an image; remove it from bootsWith\nthe image would have itself in it; put it outside of /srv/tree",
  );
  const booting = (target: grub.GrubTarget, ...volumes: disk.Volume[]) =>
    disk.rawDiskImage(
      { imageFile: "/srv/x.img", bootsWith: grub.grub({ target }) },
      disk.partitionedVolume({}, [
        disk.partition({ partitionTypecode: 0xef00 }),
        ...volumes.map((each) => disk.partition({}, each)),
      ]),
    );
  assert.equal(
    refusal(
      disk.imageBuiltFrom("/srv/tree", booting("x86_64-efi", disk.ext4Filesystem({ mountPoint: "/boot" }))),
    ),
    "/srv/x.img: GRUB needs an ext4 file system that is mounted at /\n/srv/x.img: GRUB cannot be put into an image with a file system of its own at /boot; leave that out\n/srv/x.img: GRUB for x86_64-efi needs a FAT file system that is mounted at /boot/efi",
  );
  assert.equal(refusal(disk.imageBuiltFrom("/srv/tree", imageOf(disk.partition({}, root)))), undefined);
});

const TREE = `set -e
apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends fdisk dosfstools mtools e2fsprogs
mkdir -p "/srv/tree/boot/efi/EFI/debian" /srv/tree/etc /srv/tree/home /srv/tree/proc
cd /srv/tree; echo efi >boot/efi/EFI/debian/grub.cfg; printf '# UNCONFIGURED FSTAB FOR BASE SYSTEM\\n' >etc/fstab
echo secret >etc/key; chmod 640 etc/key; chown 0:42 etc/key; setfattr -n user.note -v kept etc/key; ln etc/key etc/link
echo home >home/file; printf '/home/swap none swap sw 0 0\\n' >>etc/fstab; fallocate -l 1M home/swap; mkswap -q home/swap; find . -exec touch -hd 2024-01-01 {} +
mount -t tmpfs none proc; echo seen >proc/mounted`;

describe("disk.imageBuiltFrom on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(
    async () => {
      sides = await bootSides();
      await Promise.all(sides.each.map(({ machine }) => machine.run(TREE, { timeout: limit(120) })));
    },
    { timeout: limit(240) },
  );
  after(() => sides?.stop());

  const image = imageOf(
    disk.partition({ partitionTypecode: 0xef02 }),
    disk.partition(
      { partitionTypecode: 0xef00 },
      disk.fat32Filesystem({ mountPoint: "/boot/efi/", volumeLabel: "ESP" }),
    ),
    disk.partition({}, disk.ext4Filesystem({ mountPoint: "/", volumeLabel: "root", extraSpace: 8 })),
    disk.partition({}, disk.linuxSwap({ volumeSize: 2 })),
    disk.partition({}, disk.ext4Filesystem({ mountPoint: "/home", volumeSize: 16 })),
    disk.partition({}, disk.ext4Filesystem({ mountPoint: "/srv/none" })),
  );
  const building = disk.imageBuiltFrom("/srv/tree", image);
  // The tree of each machine has its own times of change.
  const except = { except: ["/srv/out/x.img.source", "/srv/out/x.img", "/srv/tree"] };
  /** The partition `number` of the image, as a file of its own. */
  const extracted = (side: Side, number: number) =>
    side.machine.run(
      `cd /srv/out; sfdisk -d x.img | sed -n 's/.*start= *\\([0-9]*\\), size= *\\([0-9]*\\),.*/\\1 \\2/p' | sed -n ${number}p | { read a b; dd if=x.img of=/srv/part bs=512 skip=$a count=$b conv=sparse status=none; }`,
    );

  test(
    "the file systems have the files of the directory, and nothing that is mounted there",
    { timeout: limit(120) },
    () =>
      sides.both(async (side) => {
        const { machine } = side;
        await holdsAfterwards(side, building, except);
        assert.deepEqual(
          (
            await machine.run(
              "ls /srv/out; stat -c %a /srv/out/x.img; sfdisk -d /srv/out/x.img | grep -c start=",
            )
          ).split("\n"),
          ["x.img", "x.img.source", "600", "6", ""],
        );
        await extracted(side, 3);
        await machine.run("e2fsck -fn /srv/part");
        const debugfs = (request: string) => machine.run(`debugfs -R '${request}' /srv/part 2>/dev/null`);
        assert.equal(await debugfs("cat /etc/key"), "secret\n");
        assert.match(
          await debugfs("stat /etc/key"),
          /Mode: {2}0640[\s\S]*User: +0 +Group: +42[\s\S]*Links: 2[\s\S]*user\.note \(4\) = "kept"/,
        );
        assert.doesNotMatch(await debugfs("ls -p /proc"), /mounted/);
        assert.doesNotMatch(await debugfs("ls -p /home"), /file/);
        const fstab = (await debugfs("cat /etc/fstab")).replace(/UUID=[0-9a-f-]{36}/g, "UUID=…");
        assert.equal(
          fstab,
          "UUID=… / ext4 relatime 0 1\nUUID=… /home ext4 relatime 0 2\n/home/swap none swap sw 0 0\nPARTUUID=… /boot/efi vfat defaults 0 2\nUUID=… none swap sw 0 0\nUUID=… /srv/none ext4 relatime 0 2\n",
        );
        assert.equal(
          await machine.run("cat /srv/tree/etc/fstab"),
          "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n/home/swap none swap sw 0 0\n",
        );
        await extracted(side, 2);
        assert.match(await machine.run("mdir -b -/ -i /srv/part ::"), /::\/EFI\/debian\/grub\.cfg/);
        await machine.run("fsck.vfat -n /srv/part");
        await extracted(side, 4);
        assert.equal(await machine.run("blkid -p -s TYPE -o value /srv/part"), "swap\n");
        await extracted(side, 5);
        await machine.run("e2fsck -fn /srv/part");
        assert.match(await debugfs("stat /swap"), /Blockcount: 20[0-9]{2}\n/);
        assert.equal(
          await machine.run("debugfs -R 'cat /file' /srv/part 2>/dev/null; rm /srv/part"),
          "home\n",
        );
      }, except),
  );

  test(
    "built again it is the same, and it is built again when a file has changed",
    { timeout: limit(120) },
    () =>
      sides.both(async (side) => {
        const { machine } = side;
        const sum = () => machine.run("sha256sum </srv/out/x.img");
        const former = await sum();
        await machine.run("rm /srv/out/x.img");
        await succeeds(side.apply(building));
        assert.equal(await sum(), former);
        await machine.run("echo other >>/srv/tree/home/file");
        await holdsAfterwards(side, building, except);
        assert.notEqual(await sum(), former);
      }, except),
  );

  test("what fails or is killed leaves no mount, and the next run builds it", { timeout: limit(120) }, () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run(
        `printf '#!/bin/sh\\ntouch /run/building; sleep 300\\n' >/usr/local/sbin/mke2fs; chmod 755 /usr/local/sbin/mke2fs; echo more >>/srv/tree/home/file`,
      );
      const mounts = await machine.run("cut -d' ' -f2 /proc/self/mounts; losetup -a");
      await machine.run("chmod 777 /srv/out");
      assert.deepEqual(
        (await side.apply(building)).failures.map(({ message }) => message),
        [
          "other users can write to /srv/out, and could replace /srv/out/x.img while it is made; name a location in a directory that only root can write to",
        ],
      );
      await machine.run("chmod 755 /srv/out");
      const applying = side.apply(building);
      await until("mke2fs runs", async () => (await machine.exec("test -e /run/building")).exit === 0);
      await machine.run("kill -9 $(pgrep -x mke2fs)");
      const { failures } = await applying;
      assert.equal(failures[0]?.name, "FailedChange");
      assert.equal(await machine.run("ls /srv/out"), "x.img\nx.img.source\n");
      assert.equal(await machine.run("cut -d' ' -f2 /proc/self/mounts; losetup -a"), mounts);
      await machine.run("touch /srv/out/x.img.new");
      await machine.run("rm /usr/local/sbin/mke2fs /run/building");
      await holdsAfterwards(side, building, except);
      assert.equal(await machine.run("ls /srv/out"), "x.img\nx.img.source\n");
      await isUndone(side, building);
      assert.equal(await machine.run("ls -A /srv"), "tree\n");
    }, except),
  );
});
