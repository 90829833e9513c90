/** Hibernation: of a virtual machine, which really resumes. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops, unapplied } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import { debianStable, freebsdRelease } from "../../properties/os";
import * as service from "../../properties/service";
import * as swap from "../../properties/swap";
import { type VirtualRig, virtualRig } from "../lib/agent/_virtual-rig";
import { limit } from "../support/load";
import { needsMachinesForLong } from "../support/machines";

const bookworm = debianStable("bookworm", "amd64");

test("refused before connecting", () => {
  const refused = (...applications: Parameters<typeof eseqprops>) =>
    assert.throws(() => prepare({ name: "web1" }, eseqprops(...applications)), {
      name: "Refused",
    });
  refused(freebsdRelease("14.1", "amd64"), swap.resumeConfigured());
  refused(bookworm, swap.resumeConfigured(), swap.resumeConfigured({ swapFile: "/srv/swap" }));
});

describe("swap.resumeConfigured on a virtual machine", needsMachinesForLong(), () => {
  let on: VirtualRig;
  before(
    async () => {
      on = await virtualRig();
      await on.machine.run("mkdir -p /boot/grub");
    },
    { timeout: limit(400) },
  );
  after(() => on?.stop());

  const messages = async (...applications: Parameters<typeof on.deploy>[0]) =>
    (await on.deploy(applications)).failed.map(({ failure }) => failure?.message);

  test("what cannot be resumed from is refused", { timeout: limit(120) }, async () => {
    assert.deepEqual(await messages(bookworm, swap.resumeConfigured()), [
      "/var/lib/swapfile is no swap file; put swap.hasSwapFile before this property",
    ]);
    const [small] = await messages(
      bookworm,
      swap.hasSwapFile("64M", { location: "/srv/small" }),
      swap.resumeConfigured({ swapFile: "/srv/small" }),
    );
    assert.match(
      small ?? "",
      /^\/srv\/small has 64 MiB, and the memory \d+ MiB; give swap.hasSwapFile at least that$/,
    );
    const inhibited = service.withoutStartingServices(swap.resumeConfigured());
    assert.equal((await on.deploy([bookworm, inhibited])).status, "unchanged");
  });

  test("the machine hibernates, and resumes where it was", { timeout: limit(400) }, async () => {
    const host = [bookworm, swap.hasSwapFile("1G"), swap.resumeConfigured()];
    const first = await on.deploy(host);
    assert.deepEqual(first.failed, []);
    assert.equal((await on.deploy(host)).status, "unchanged");
    const menu = await on.machine.run("grep -m 1 -o 'resume=.*' /boot/grub/grub.cfg");
    assert.match(menu, /^resume=UUID=[0-9a-f-]{36} resume_offset=\d+\s*$/);
    // Of several, systemd takes the first.
    await on.machine.run("swapoff /srv/small");
    // Only in memory, and known to no file of the disk.
    await on.machine.run("echo kept >/run/in-memory");
    const boot = await on.machine.run("cat /proc/sys/kernel/random/boot_id");
    await on.machine.exec("systemctl --no-block hibernate");
    await on.machine.untilOff();
    await on.machine.powerOn(menu.trim());
    assert.equal(await on.machine.run("cat /run/in-memory"), "kept\n");
    assert.equal(await on.machine.run("cat /proc/sys/kernel/random/boot_id"), boot, "it is the same boot");
    assert.deepEqual((await on.deploy([bookworm, unapplied(swap.resumeConfigured())])).failed, []);
    await on.machine.run(
      "! grep -r resume= /etc/default/grub.d /boot/grub/grub.cfg /etc/initramfs-tools/conf.d",
    );
  });
});
