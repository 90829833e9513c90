import assert from "node:assert/strict";
import { test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as disk from "../../properties/disk";
import * as grub from "../../properties/grub";
import * as installer from "../../properties/installer";
import { debianStable } from "../../properties/os";
import * as uBoot from "../../properties/uBoot";

const prepared = (...applications: PropApp[]) =>
  prepare({ name: "web1" }, eseqprops(debianStable("bookworm", "amd64"), ...applications));

test("refused before connecting", () => {
  assert.throws(() => prepared(installer.bootloadersInstalled()), {
    message:
      /no disk of web1 says what boots from it; put disk\.hasVolumes with bootsWith before this property$/,
  });
  const nameless = disk.hasVolumes(disk.physicalDisk({ bootsWith: grub.grub() }));
  assert.throws(() => prepared(nameless, installer.bootloadersInstalled()), {
    message: /a disk with bootsWith has no deviceFile; give it one, such as "\/dev\/sda"$/,
  });
  prepared(nameless, installer.bootloaderBinariesInstalled());
  assert.throws(
    () => prepared(disk.hasVolumes(disk.physicalDisk({ bootsWith: { bootloader: "lilo", options: {} } }))),
    {
      message: /there is no boot loader "lilo"; there are .*grub\.grub/,
    },
  );
});

test("the boot loaders of the disks, and their programs, each once", () => {
  const efi = grub.grub({ target: "x86_64-efi" });
  const sda = disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/sda", bootsWith: efi }));
  const board = uBoot.installRockchip({ target: "rockpro64-rk3399" });
  const sdb = disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/sdb", bootsWith: [efi, board] }));
  const { application } = prepared(sda, sdb, installer.bootloadersInstalled());
  const [, , , installing] = (application.args as { applications: PropApp[] }).applications;
  assert.deepEqual(
    installing?.parts?.map(({ property, args }) => [property, ...Object.values(args as object)]),
    [
      ["apt.installed", ["initramfs-tools", "grub-efi-amd64"]],
      ["apt.installed", ["u-boot-rockchip"]],
      ["grub.grubInstalled", "/dev/sda", "x86_64-efi", false],
      ["grub.grubInstalled", "/dev/sdb", "x86_64-efi", false],
      ["uBoot.installedRockchip", "/dev/sdb", "rockpro64-rk3399"],
    ],
  );
  const both = disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/sdc", bootsWith: [efi, grub.grub()] }));
  assert.throws(() => prepared(both, installer.bootloaderBinariesInstalled()), {
    message:
      /grub\.grub for x86_64-efi and for i386-pc cannot both be installed on a host; give its disks one of them$/,
  });
});
