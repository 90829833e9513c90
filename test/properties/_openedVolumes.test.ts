/** Volumes that are opened, and those of a volume manager: on the disks of a virtual machine. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { registerDataSource } from "../../lib/data/register";
import { prepare } from "../../lib/engine/prepare";
import { carriedFrom } from "../../lib/model/carried";
import { dataSources } from "../../lib/model/data-source";
import type { PropApp } from "../../lib/model/property";
import type { OpenedVolume } from "../../properties/_openedVolumes";
import * as chroot from "../../properties/chroot";
import * as crypttab from "../../properties/crypttab";
import * as disk from "../../properties/disk";
import * as file from "../../properties/file";
import * as fstab from "../../properties/fstab";
import { debianStable } from "../../properties/os";
import { assertOk, prop } from "../lib/agent/_rig";
import { type VirtualRig, virtualRig } from "../lib/agent/_virtual-rig";
import { limit } from "../support/load";
import { needsMachinesForLong } from "../support/machines";

const bookworm = debianStable("bookworm", "amd64");

const disks = () =>
  disk.volumes(
    disk.physicalDisk(
      { deviceFile: "/dev/vdb" },
      disk.partitionedVolume({}, [
        disk.partition(
          { partitionTypecode: 0xef00 },
          disk.fat32Filesystem({ mountPoint: "/boot/efi/", volumeSize: "64M" }),
        ),
        disk.partition(
          { volumeSize: "remaining" },
          disk.luksContainer({ volumeLabel: "web9_crypt" }, disk.lvmPhysicalVolume({ volumeGroup: "web9" })),
        ),
      ]),
    ),
    disk.lvmLogicalVolume(
      { volumeGroup: "web9", volumeLabel: "root", volumeSize: "700M" },
      disk.ext4Filesystem({ mountPoint: "/", mountOptions: ["noatime"] }),
    ),
    disk.lvmLogicalVolume({ volumeGroup: "web9", volumeLabel: "swap", volumeSize: "64M" }, disk.linuxSwap()),
  );

test("refused before connecting", () => {
  const refusal = (application: PropApp) => {
    try {
      prepare({ name: "web1" }, eseqprops(bookworm, application));
      return undefined;
    } catch (error) {
      return (error as Error).message.replace(/^[\s\S]*?\.ts:\d+:\d+: /, "");
    }
  };
  assert.match(
    refusal(
      disk.withOpenedVolumes(disk.volumes(disk.mountedExt4Filesystem({ mountPoint: "/" })), {}, bookworm),
    ) ?? "",
    /it is mounted already|is mounted already; leave it out, or name the kind without "mounted"$/,
  );
  assert.equal(refusal(disk.withOpenedVolumes(disks(), { mountBelow: "/mnt" })), undefined);
});

test("mount points, as they are seen in a chroot", () => {
  const at = (mountPoint?: string): OpenedVolume => ({
    volume: { kind: "ext4Filesystem", ...(mountPoint && { mountPoint }) },
    device: "/dev/vda1",
  });
  const values = { "disk.openedVolumes": [at("/mnt"), at("/mnt/boot"), at("/mnt2"), at()] };
  const seenAt = (root: string) =>
    carriedFrom({ memory: new Map(Object.entries(values)) } as never, { root })["disk.openedVolumes"];
  assert.deepEqual(seenAt("/mnt/"), [at("/"), at("/boot"), at(), at()]);
  assert.deepEqual(seenAt("/"), values["disk.openedVolumes"]);
});

/** As `disks` says, with a system on them. */
const MADE = `set -e
printf 'label: gpt\\nsize=64M, type=uefi\\ntype=linux\\n' | sfdisk -q /dev/vdb; udevadm settle
mkfs.vfat -F 32 /dev/vdb1 >/dev/null
printf passphrase | cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vdb2 -
printf passphrase | cryptsetup open --key-file - /dev/vdb2 web9_crypt
pvcreate -q /dev/mapper/web9_crypt; vgcreate -q web9 /dev/mapper/web9_crypt
lvcreate -q -y -L 700M -n root web9; lvcreate -q -y -L 64M -n swap web9
mkfs.ext4 -q /dev/web9/root; mkswap -q /dev/web9/swap
mount /dev/web9/root /mnt
tar -C / --one-file-system -cf - --exclude=./usr/lib/modules --exclude=./boot --exclude=./var --exclude=./usr/share --exclude=./root . | tar -C /mnt -xf -
printf '# UNCONFIGURED\\n' >/mnt/etc/fstab; rm -f /mnt/etc/crypttab
mkdir -p /mnt/root /mnt/var/lib/dpkg /mnt/boot; cp /var/lib/dpkg/status /mnt/var/lib/dpkg
umount /mnt; lvchange -an web9; cryptsetup close web9_crypt`;

/** What is open. */
const OPEN =
  "grep -e /mnt -e /srv /proc/mounts | cut -d ' ' -f 1-2; ls /dev/mapper | grep -v control || true; losetup --list --noheadings --output NAME";

describe("volumes on a virtual machine", needsMachinesForLong(), () => {
  let on: VirtualRig;
  before(
    async () => {
      on = await virtualRig({
        disks: [1200, 300],
      });
      await on.machine.run(MADE);
      registerDataSource({ name: "anything", version: () => 1, get: () => "passphrase\n" });
    },
    { timeout: limit(600) },
  );
  after(async () => {
    dataSources.restore(new Map());
    await on?.stop();
  });

  const entries = () => [fstab.hasEntriesForOpenedVolumes(), crypttab.hasEntriesForOpenedVolumes()];
  const opened = (...applications: PropApp[]) =>
    disk.withOpenedVolumes(disks(), { mountBelow: "/mnt" }, ...applications);
  const uuid = async (device: string, tag = "UUID") =>
    (await on.machine.run(`blkid -p -s ${tag} -o value ${device}`)).trim();

  test("they are open for a while, and known in a chroot", { timeout: limit(600) }, async () => {
    const inside = chroot.deploysThese("/mnt", "web9", bookworm, ...entries());
    const hosts = [bookworm, opened(file.hasContent("/mnt/boot/efi/first", "1\n"), inside)];
    assertOk(await on.deploy(hosts));
    assert.equal(await on.machine.run(OPEN), "", "all is closed");
    const again = await on.deploy(hosts);
    assertOk(again);
    assert.equal(again.status, "unchanged");
    const [partition, crypt] = [await uuid("/dev/vdb1", "PART_ENTRY_UUID"), await uuid("/dev/vdb2")];
    const shows = prop(
      "probe.runs",
      "cat /mnt/etc/fstab /mnt/etc/crypttab; blkid -p -s UUID -o value /dev/web9/root /dev/web9/swap; grep -c noatime /proc/mounts",
    );
    const report = await on.deploy([bookworm, opened(shows)]);
    assertOk(report);
    const lines = (report.steps.find(({ property }) => property === "probe.runs")?.output ?? "").split("\n");
    const [root, swap] = lines.slice(-4, -2);
    assert.deepEqual(lines.slice(0, 5), [
      `UUID=${root} / ext4 noatime 0 1`,
      "# UNCONFIGURED",
      `PARTUUID=${partition} /boot/efi vfat defaults 0 2`,
      `UUID=${swap} none swap sw 0 0`,
      `web9_crypt UUID=${crypt} none luks,discard,initramfs`,
    ]);
  });

  test("closed after a failure; what was open stays open", { timeout: limit(600) }, async () => {
    assert.equal((await on.deploy([bookworm, opened(prop("probe.fails"))])).ok, false);
    assert.equal(await on.machine.run(OPEN), "");
    await on.machine.run("mkdir -p /mnt/boot/efi; mount -t tmpfs none /mnt");
    const [refused] = (await on.deploy([bookworm, opened(...entries())])).failed;
    assert.match(
      refused?.failure?.message ?? "",
      /^none is mounted at \/mnt, not \/dev\/web9\/root; unmount it first$/,
    );
    assert.equal(await on.machine.run(OPEN), "none /mnt\n");
    await on.machine.run(
      "umount /mnt; printf passphrase | cryptsetup open --key-file - /dev/vdb2 web9_crypt",
    );
    assertOk(await on.deploy([bookworm, opened(prop("probe.runs", "true"))]));
    assert.match(await on.machine.run(OPEN), /^(web9-\w+\n)*web9_crypt\n$/);
    const [outside] = (await on.deploy([bookworm, fstab.hasEntriesForOpenedVolumes()])).failed;
    assert.equal(
      outside?.failure?.message,
      "no volumes are opened here; put this property into disk.withOpenedVolumes",
    );
    await on.machine.run("lvchange -an web9; cryptsetup close web9_crypt");
  });

  test("an image of a disk", { timeout: limit(300) }, async () => {
    await on.machine.run(
      "truncate -s 100M /srv/x.img; printf 'label: gpt\\n,\\n' | sfdisk -q /srv/x.img; l=$(losetup -fP --show /srv/x.img); udevadm settle; mkfs.ext4 -q ${l}p1; losetup -d $l",
    );
    const image = disk.rawDiskImage(
      { imageFile: "/srv/x.img" },
      disk.partitionedVolume({}, [disk.partition({}, disk.ext4Filesystem({ mountPoint: "/" }))]),
    );
    const open = (leaveOpen: boolean) =>
      disk.withOpenedVolumes(
        [image],
        { mountBelow: "/srv/x", leaveOpen },
        file.hasContent("/srv/x/y", "z\n"),
      );
    assertOk(await on.deploy([bookworm, open(true)]));
    assert.match(await on.machine.run(OPEN), /^\/dev\/loop0p1 \/srv\/x\n\/dev\/loop0\n$/);
    await on.machine.run("grep z /srv/x/y; umount /srv/x; losetup -d /dev/loop0");
    assert.equal((await on.deploy([bookworm, open(false)])).status, "unchanged");
    assert.equal(await on.machine.run(OPEN), "");
  });

  test("logical volumes that are missing are made", { timeout: limit(600) }, async () => {
    const lv = (volumeLabel: string, volumeSize: string, contents: disk.Volume) =>
      disk.lvmLogicalVolume({ volumeGroup: "shop", volumeLabel, volumeSize }, contents);
    const host = (...more: disk.Volume[]) => [
      bookworm,
      disk.hasVolumes(lv("data", "80M", disk.ext4Filesystem({ mountPoint: "/srv/data" })), ...more),
      disk.hostLogicalVolumesExist(),
    ];
    const [refused] = (await on.deploy(host())).failed;
    assert.equal(
      refused?.failure?.message,
      "there is no volume group shop for shop/data; make it with vgcreate",
    );
    await on.machine.run("pvcreate -q /dev/vdc; vgcreate -q shop /dev/vdc");
    assert.equal((await on.plan(host())).get("disk.hostLogicalVolumesExist"), "would change");
    assertOk(await on.deploy(host()));
    await on.machine.run("echo kept >/srv/data/file");
    const secret = disk.luksContainer(
      { volumeLabel: "secret", cryptsetupOptions: ["--pbkdf", "pbkdf2"] },
      disk.ext4Filesystem({ mountPoint: "/srv/secret" }),
    );
    const both = host(lv("secret", "64M", secret));
    // Left by a deployment that was interrupted.
    await on.machine.run("lvcreate -q -y -L 8M --addtag consfigurator.unfinished -n secret shop");
    assertOk(await on.deploy(both));
    assert.equal((await on.deploy(both)).status, "unchanged");
    const [data, crypt, inner] = [
      await uuid("/dev/shop/data"),
      await uuid("/dev/shop/secret"),
      await uuid("/dev/mapper/secret"),
    ];
    assert.equal(
      await on.machine.run(
        "cat /srv/data/file; findmnt -no SOURCE /srv/secret; grep /srv /etc/fstab; grep -v ^# /etc/crypttab; lvs --noheadings -o lv_name,lv_size,lv_tags shop | sed 's/^ *//;s/ *$//'",
      ),
      `kept\n/dev/mapper/secret\nUUID=${data} /srv/data ext4 relatime 0 2\nUUID=${inner} /srv/secret ext4 relatime 0 2\nsecret UUID=${crypt} none luks,discard,initramfs\ndata   80.00m\nsecret 64.00m\n`,
    );
  });
});
