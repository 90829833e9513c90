/**
 * The kernel of the test machines has no modules: /sys/module and modprobe are played as modprobe(8) of kmod 30 and sysfs
 * describe them.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as kernelModule from "../../properties/kernelModule";
import { debianStable } from "../../properties/os";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("a module that is loaded and blacklisted is refused before connecting", () => {
  const both = eseqprops(
    debianStable("bookworm", "amd64"),
    kernelModule.loaded("br_netfilter"),
    kernelModule.blacklisted("br-netfilter"),
  );
  assert.throws(() => prepare({ name: "web1" }, both), {
    message: /an earlier property has br_netfilter loaded; remove one of the two$/,
  });
  assert.throws(() => kernelModule.loaded("../x"), {
    name: "InvalidArguments",
    message:
      'kernelModule.loaded: args.name is "../x"; it must be a module of the kernel, such as "br_netfilter"',
  });
});

/** Puts a /sys/module in place of that of the kernel, which modprobe fills and empties. */
const PLAYED = `set -e
mount -t tmpfs none /mnt && mkdir -p /mnt/module /mnt/fs
mount --rbind /sys/fs /mnt/fs
mount --rbind /mnt /sys
mkdir -p /lib/modules/$(uname -r)
echo kernel/net/ipv4/tcp-cubic.ko >/lib/modules/$(uname -r)/modules.builtin
cat >/usr/local/sbin/modprobe <<'END'
#!/bin/sh
case "$*" in
*none*) echo "modprobe: FATAL: Module $1 not found in directory /lib/modules/$(uname -r)" >&2; exit 1;;
"-r busy") echo "modprobe: FATAL: Module busy is in use." >&2; exit 1;;
"-r "*) rm -r "/sys/module/$2";;
*) mkdir -p "/sys/module/$1" && echo live >"/sys/module/$1/initstate";;
esac
END
chmod 755 /usr/local/sbin/modprobe`;

describe("kernelModule on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
    await Promise.all(sides.each.map(({ machine }) => machine.run(PLAYED)));
  });
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);

  test("loaded now and at boot, and built in", () =>
    sides.both(async (side) => {
      const { machine } = side;
      const module = kernelModule.loaded("br_netfilter");
      await holdsAfterwards(side, module);
      const { commands } = await holds(side, module);
      if (side.kind === "agent") assert.deepEqual(commands, []);
      await machine.run("rm -r /sys/module/br_netfilter");
      await holdsAfterwards(side, module);
      assert.equal(await machine.run("cat /etc/modules-load.d/br_netfilter.conf"), "br_netfilter\n");
      await isUndone(side, module);
      assert.equal(await machine.run("ls /sys/module"), "br_netfilter\n");
      await holdsAfterwards(side, kernelModule.loaded("tcp_cubic"));
      assert.equal(await machine.run("ls /sys/module"), "br_netfilter\n");
      const release = (await machine.run("uname -r")).trim();
      assert.deepEqual(await messages(side, kernelModule.loaded("none")), [
        `FailedChange: the module none cannot be loaded; correct its name, or install the package that has it for this kernel: modprobe: FATAL: Module none not found in directory /lib/modules/${release}`,
      ]);
      await machine.run("! ls /etc/modules-load.d/none.conf");
    }));

  test("blacklisted: unloaded, unless it is in use", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run("modprobe pcspkr; modprobe busy");
      const none = kernelModule.blacklisted("pcspkr");
      await holdsAfterwards(side, none);
      assert.equal(
        await machine.run("ls -d /sys/module/pcspkr 2>&1 || cat /etc/modprobe.d/blacklist-pcspkr.conf"),
        "ls: cannot access '/sys/module/pcspkr': No such file or directory\nblacklist pcspkr\ninstall pcspkr /bin/false\n",
      );
      await isUndone(side, none);
      assert.deepEqual(await messages(side, kernelModule.blacklisted("busy")), [
        "FailedChange: the module busy cannot be unloaded; stop what uses it, or reboot: modprobe: FATAL: Module busy is in use.",
      ]);
    }));
});
