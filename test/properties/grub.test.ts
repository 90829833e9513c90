/**
 * The test machines have neither disks nor a kernel of their own: update-initramfs, update-grub and grub-install are played, and
 * write down how they were called.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import type { PropApp } from "../../lib/model/property";
import * as container from "../../properties/container";
import * as grub from "../../properties/grub";
import { needsMachines } from "../support/machines";
import {
  bootSides,
  holds,
  holdsAfterwards,
  isUndone,
  type Side,
  type Sides,
  succeeds,
} from "../support/sides";

test("refused before connecting", () => {
  assert.throws(() => grub.grub({ target: "i386" as "i386-pc" }), {
    message: "grub.grub: there is no target i386; there are i386-pc, x86_64-efi, arm64-efi",
  });
  assert.throws(() => grub.configured({ TIMEOUT: "1" }), { name: "InvalidArguments" });
});

const PLAYED = `set -e
for p in update-initramfs update-grub grub-install; do
  cat >/usr/local/sbin/$p <<'END'
#!/bin/sh
p=/etc/grub.d/30_os-prober
echo "$(basename "$0") $*$([ ! -e $p ] || [ -x $p ] || echo ' alone')" >>/run/calls
[ ! -e /run/fails ] || { echo "no space left on device" >&2; exit 1; }
END
done
chmod 755 /usr/local/sbin/*; mkdir -p /etc/grub.d; : >/etc/grub.d/30_os-prober; chmod 755 /etc/grub.d/30_os-prober`;

describe("grub on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
    await Promise.all(sides.each.map(({ machine }) => machine.run(PLAYED)));
  });
  after(() => sides?.stop());

  const calls = (side: Side) => side.machine.run("cat /run/calls 2>/dev/null; rm -f /run/calls");
  const applied = async (side: Side, application: PropApp) => {
    await side.plan(application);
    assert.equal((await succeeds(side.apply(application))).change, "changed");
    return calls(side);
  };

  test("installed on a disk", () =>
    sides.both(async (side) => {
      assert.equal(
        await applied(side, grub.grubInstalled("/dev/sda")),
        "update-initramfs -u\nupdate-grub \ngrub-install --target=i386-pc /dev/sda\n",
      );
      const efi = grub.grubInstalled("/dev/sda", { target: "x86_64-efi", forceExtraRemovable: true });
      assert.equal(
        await applied(side, efi),
        "update-initramfs -u\nupdate-grub \ngrub-install --target=x86_64-efi --force-extra-removable /dev/sda\n",
      );
      assert.equal(
        await applied(side, eseqprops(container.contained("filesystem"), efi)),
        "update-initramfs -u\nupdate-grub  alone\ngrub-install --target=x86_64-efi --no-nvram --force-extra-removable /dev/sda\n",
      );
    }));

  test("a failure is loud, and os-prober is executable again", () =>
    sides.both(async (side) => {
      await side.machine.run("touch /run/fails");
      const inside = eseqprops(container.contained("filesystem"), grub.configured({ GRUB_TIMEOUT: "3" }));
      const { failures } = await side.apply(inside);
      assert.deepEqual(
        failures.map(({ name, message }) => `${name}: ${message}`),
        ["FailedChange: update-grub failed, so the host may not boot: no space left on device"],
      );
      assert.equal(await side.machine.run("stat -c %a /etc/grub.d/30_os-prober; rm /run/fails"), "755\n");
      await side.unapply(grub.configured({ GRUB_TIMEOUT: "3" }));
      await calls(side);
    }));

  test("settings, in a file that the shell reads", () =>
    sides.both(async (side) => {
      const { machine } = side;
      const settings = grub.configured({
        GRUB_TIMEOUT: "1",
        GRUB_CMDLINE_LINUX: '$GRUB_CMDLINE_LINUX console=ttyS0 x="a`b"',
      });
      await holdsAfterwards(side, settings);
      assert.equal(await calls(side), "update-grub \n");
      assert.equal(
        await machine.run(
          'GRUB_CMDLINE_LINUX=quiet; . /etc/default/grub.d/90-consfigurator.cfg; echo "$GRUB_TIMEOUT $GRUB_CMDLINE_LINUX"',
        ),
        '1 quiet console=ttyS0 x="a`b"\n',
      );
      await holds(side, settings);
      assert.equal(await calls(side), "");
      await isUndone(side, settings);
      assert.equal(await calls(side), "update-grub \n");
      await machine.run("! ls /etc/default/grub.d");
    }));
});
