/** A host in an image, which boots. */

import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { eseqprops, unapplied } from "../../lib/combinators";
import { session } from "../../lib/controller/session";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import { makeChildHost } from "../../lib/nested/make-host";
import * as apt from "../../properties/apt";
import * as disk from "../../properties/disk";
import * as file from "../../properties/file";
import * as grub from "../../properties/grub";
import * as hostname from "../../properties/hostname";
import { debianStable } from "../../properties/os";
import * as swap from "../../properties/swap";
import * as systemd from "../../properties/systemd";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { aptOptions } from "../support/_base";
import { limit } from "../support/load";
import { needsMachines } from "../support/machines";
import { bootedFrom } from "../support/qemu";

const bookworm = debianStable("bookworm", "amd64");

test("a host without a disk, or with one that cannot be built, is refused before connecting", () => {
  const refusal = (...volumes: disk.Volume[]) => {
    const child = makeChildHost(
      { name: "web9" },
      bookworm,
      volumes.length > 0 && disk.hasVolumes(...volumes),
    );
    const image = disk.rawImageBuiltFor(null, child, "/srv/web9.img");
    try {
      prepare({ name: "web1" }, eseqprops(bookworm, image));
      return undefined;
    } catch (error) {
      return (error as Error).message.replace(/^[\s\S]*?\.ts:\d+:\d+: /, "");
    }
  };
  assert.equal(refusal(), "no disk of web9 has contents; put disk.hasVolumes with a partition table into it");
  const crypt = disk.luksContainer({ volumeLabel: "c", volumeSize: 100 });
  assert.equal(
    refusal(disk.physicalDisk({}, crypt)),
    "luksContainer is not made in an image; there are ext4Filesystem, fat32Filesystem and linuxSwap",
  );
});

/** Says on the serial line what it has found, and powers the machine off. */
const PROOF = [
  "[Unit]",
  "After=local-fs.target swap.target systemd-user-sessions.service",
  "[Service]",
  "Type=oneshot",
  "ExecStart=/bin/sh -c 'echo \"PROOF $(hostname) $(findmnt -no SOURCE,FSTYPE,OPTIONS /) $(findmnt -no SOURCE,FSTYPE /boot/efi) $(swapon --noheadings --show=NAME,SIZE) $(systemctl is-system-running) PROVED\" >/dev/ttyS0; systemctl poweroff --force --force'",
  "[Install]",
  "WantedBy=multi-user.target",
];

const web9 = (...more: PropApp[]) =>
  makeChildHost(
    { name: "web9.example.org" },
    bookworm,
    ...more,
    disk.hasVolumes(
      disk.physicalDisk(
        { bootsWith: [grub.grub(), grub.grub({ target: "x86_64-efi" })] },
        disk.partitionedVolume({}, [
          disk.partition({ partitionTypecode: 0xef02 }),
          disk.partition(
            { partitionTypecode: 0xef00 },
            disk.fat32Filesystem({ mountPoint: "/boot/efi", volumeSize: "64M" }),
          ),
          disk.partition({}, disk.ext4Filesystem({ mountPoint: "/" })),
        ]),
      ),
    ),
    apt.installedMinimally("systemd-sysv", "udev", "linux-image-cloud-amd64", "initramfs-tools"),
    apt.installedMinimally("grub2-common", "grub-pc-bin", "grub-efi-amd64-bin"),
    hostname.configured(),
    swap.hasSwapFile("16M"),
    file.hasContent("/etc/default/grub.d/serial.cfg", ["GRUB_CMDLINE_LINUX=console=ttyS0", "GRUB_TIMEOUT=0"]),
    file.hasContent("/etc/systemd/system/proof.service", PROOF),
    systemd.enabled("proof.service"),
  );

describe("disk.rawImageBuiltFor on a real host", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    assert.equal(session.consfig?.refresh().error, undefined);
  });
  after(() => on?.stop());

  test("the image boots from a BIOS and from UEFI", { timeout: limit(900) }, async () => {
    // As this computer does.
    const [, uri] =
      (await aptOptions()).map((each) => /^Acquire::http::Proxy "(.*)";$/.exec(each)).find(Boolean) ?? [];
    const child = web9(...(uri === undefined ? [] : [apt.proxy(uri)]));
    const image = disk.rawImageBuiltFor({ variant: "minbase" }, child, "/srv/web9.img");
    assertOk(await on.deploy([bookworm, image]));
    const again = await on.deploy([bookworm, image]);
    assertOk(again);
    assert.equal(again.status, "unchanged");
    const seen = path.join(on.machine.root, "srv/web9.img");
    for (const firmware of ["bios", "uefi"] as const) {
      const output = await bootedFrom(seen, { firmware, seconds: 240 });
      const [, proof] = /PROOF (.*) PROVED/.exec(output) ?? [];
      assert.match(
        proof ?? output.slice(-2000),
        /^web9 \/dev\/vda3 ext4 +rw,relatime \/dev\/vda2 vfat \/var\/lib\/swapfile +16M (running|starting)$/,
        firmware,
      );
    }
    assertOk(await on.deploy([bookworm, unapplied(image)]));
    assert.equal(await on.machine.run("ls -A /srv"), "");
  });
});
