import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as disk from "../../properties/disk";
import * as fstab from "../../properties/fstab";
import { debianStable } from "../../properties/os";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("what is no entry is refused", () => {
  for (const entry of [
    "UUID=1 /srv",
    "UUID=1 srv ext4 defaults",
    "# UUID=1 /srv ext4 defaults",
    "a /srv ext4 rw 0 x",
  ])
    assert.throws(() => fstab.hasEntries(entry), {
      name: "InvalidArguments",
      message: `fstab.hasEntries: args.entries[0] is "${entry}"; it must be an entry of fstab(5): source, mount point, type and options, such as "UUID=1c2d-3e4f /srv ext4 defaults 0 2"`,
    });
});

test("two entries for a mount point are refused before connecting", () => {
  const one = "UUID=1 /srv ext4 defaults 0 2";
  const other = "UUID=2 /srv/ ext4 defaults 0 2";
  assert.throws(() => prepare({ name: "web1" }, fstab.hasEntries(one, other)), {
    message: new RegExp(`"${one}" and "${other}" are entries for the same; remove one of them$`),
  });
  assert.throws(() => prepare({ name: "web1" }, eseqprops(fstab.hasEntries(one), fstab.hasEntries(other))), {
    message: new RegExp(
      `an earlier property has "${one}" in /etc/fstab, and this one "${other}"; remove one of them$`,
    ),
  });
  const swaps = fstab.hasEntries("/one none swap sw", "/other none swap sw");
  prepare({ name: "web1" }, eseqprops(swaps, swaps, fstab.hasEntries(one), fstab.hasEntries(one)));
});

test("an entry as an object", () => {
  const { args } = fstab.hasEntries(
    {
      source: "/dev/disk/by-label/My disk",
      mountPoint: "/srv/a b",
      type: "ext4",
      options: ["noatime", "nofail"],
      pass: 2,
    },
    { mountPoint: "/", type: "ext4" },
  );
  assert.deepEqual(args, {
    entries: [
      "/dev/disk/by-label/My\\040disk /srv/a\\040b ext4 noatime,nofail 0 2",
      "PLACEHOLDER / ext4 defaults 0 0",
    ],
  });
});

test("volumes without a mount point are refused before connecting", () => {
  const prepared = (...volumes: disk.Volume[]) =>
    prepare(
      { name: "web1" },
      eseqprops(
        debianStable("bookworm", "amd64"),
        fstab.hasEntriesForVolumes(volumes.length > 0 ? volumes : undefined),
      ),
    );
  assert.throws(() => prepared(disk.partition({}, disk.linuxSwap())), {
    message: /none of the volumes has a mount point; give one to a file system$/,
  });
  assert.throws(() => prepared(), {
    message:
      /no volume of web1 has a mount point; put disk\.hasVolumes before this property, or name the volumes$/,
  });
  const home = disk.mountedExt4Filesystem({ mountPoint: "/home" });
  assert.throws(() => prepared(home, disk.mountedExt4Filesystem({ mountPoint: "/home/" })), {
    message: /two file systems are mounted at \/home; correct one of the mount points$/,
  });
});

describe("fstab on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const table = (side: Side) => side.machine.run("cat /etc/fstab");

  test("entries, in the order in which they are mounted", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run("printf '# UNCONFIGURED FSTAB FOR BASE SYSTEM\\n' >/etc/fstab");
      const swap = fstab.hasEntries("/var/lib/swapfile swap swap defaults 0 0");
      await holdsAfterwards(side, swap);
      const volumes = fstab.hasEntries(
        "UUID=1c2d / ext4 relatime 0 1",
        "PARTUUID=3e4f /boot/efi vfat defaults 0 2",
      );
      await holdsAfterwards(side, volumes);
      assert.equal(
        await table(side),
        "UUID=1c2d / ext4 relatime 0 1\n# UNCONFIGURED FSTAB FOR BASE SYSTEM\n/var/lib/swapfile swap swap defaults 0 0\nPARTUUID=3e4f /boot/efi vfat defaults 0 2\n",
      );
      const options = fstab.hasEntries({ mountPoint: "/", type: "ext4", options: ["noatime"], pass: 1 });
      await holdsAfterwards(side, options);
      assert.match(await table(side), /^UUID=1c2d \/ ext4 noatime 0 1$/m);
      await holds(side, swap);
      assert.equal((await side.unapply(options)).change, "unchanged");
      await isUndone(side, volumes);
      await isUndone(side, swap);
      assert.equal(await table(side), "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n");
    }));

  test("systemd knows an entry at once, and no longer when it is gone", () =>
    sides.both(async (side) => {
      const scratch = fstab.hasEntries("tmpfs /srv/scratch tmpfs size=1M 0 0");
      await holdsAfterwards(side, scratch);
      const what = () => side.machine.run("systemctl show -P What srv-scratch.mount");
      assert.equal(await what(), "tmpfs\n");
      await isUndone(side, scratch);
      assert.equal(await what(), "\n");
    }));

  /** The file systems of the test machines have no UUID: findmnt(8) is played. */
  const FINDMNT = `cat >/usr/local/bin/findmnt <<'END'
#!/bin/sh
for at; do :; done
case "$* $at" in
*,UUID*" /") echo 'FSTYPE="ext4" UUID="1c2d"';;
*PARTUUID*" /boot/efi") echo 'FSTYPE="vfat" PARTUUID="3e4f"';;
*" /boot") echo 'FSTYPE="xfs" UUID="5a6b"';;
*" /none") echo 'FSTYPE="ext4" UUID=""';;
*) exit 1;;
esac
END
chmod 755 /usr/local/bin/findmnt`;

  test("entries for volumes", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run(`${FINDMNT}; echo 'UUID=7 /home ext4 noatime 0 2' >/etc/fstab`);
      const volumes = fstab.hasEntriesForVolumes(
        disk.volumes(
          disk.mountedExt4Filesystem({ mountPoint: "/" }),
          disk.partition({}, disk.mountedFat32Filesystem({ mountPoint: "/boot/efi/" })),
          disk.lvmLogicalVolume(
            { volumeGroup: "vg", volumeLabel: "lv_var" },
            disk.ext4Filesystem({ mountPoint: "/var", mountOptions: ["noatime", "discard"] }),
          ),
        ),
      );
      await holdsAfterwards(side, volumes);
      const declared = disk.hasVolumes(
        disk.physicalDisk({ deviceFile: "/dev/sdb" }, disk.ext4Filesystem({ mountPoint: "/home" })),
      );
      await holdsAfterwards(side, eseqprops(declared, fstab.hasEntriesForVolumes()));
      assert.equal(
        await table(side),
        "UUID=1c2d / ext4 relatime 0 1\nUUID=7 /home ext4 relatime 0 2\nPARTUUID=3e4f /boot/efi vfat defaults 0 2\n/dev/vg/lv_var /var ext4 noatime,discard 0 2\n",
      );
      const failure = async (mountPoint: string) => {
        const mounted = disk.mountedExt4Filesystem({ mountPoint });
        const { failures } = await side.apply(fstab.hasEntriesForVolumes([mounted]));
        return failures.map(({ name, message }) => `${name}: ${message}`).join("\n");
      };
      assert.deepEqual(
        [await failure("/boot"), await failure("/none"), await failure("/data")],
        [
          "FailedChange: what is mounted at /boot is xfs, not ext4; correct the volume",
          "FailedChange: the UUID of what is mounted at /none is not known to findmnt; use fstab.hasEntries",
          "AbortedChange: nothing is mounted at /data; mount it before this property",
        ],
      );
    }));

  test("no source to keep", () =>
    sides.both(async (side) => {
      const { failures } = await side.apply(fstab.hasEntries({ mountPoint: "/data", type: "ext4" }));
      assert.deepEqual(
        failures.map(({ name, message }) => `${name}: ${message}`),
        [
          'FailedChange: the entry "PLACEHOLDER /data ext4 defaults 0 0" needs a source: no existing line has one for PLACEHOLDER',
        ],
      );
    }));
});
