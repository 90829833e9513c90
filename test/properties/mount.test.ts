import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as fstab from "../../properties/fstab";
import * as mount from "../../properties/mount";
import { debianStable } from "../../properties/os";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("a directory that every system needs is refused before connecting", () => {
  for (const directory of ["/", "/usr", "/etc", "/lib64", "/var/lib", "/usr/bin"])
    assert.throws(
      () =>
        prepare(
          { name: "web1" },
          eseqprops(debianStable("bookworm", "amd64"), mount.unmountedBelowAndRemoved(directory)),
        ),
      { message: new RegExp(`a system without ${directory} does not work; name another directory$`) },
    );
  assert.throws(() => mount.unmountedBelowAndRemoved("/srv/../usr"), {
    message:
      'mount.unmountedBelowAndRemoved: args.directory is "/srv/../usr"; it must be an absolute path without . and .., and without a slash at the end',
  });
});

describe("mount on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
  const mounts = (side: Side) => side.machine.run("grep -o ' /srv[^ ]*' /proc/self/mounts || true");

  test("mounted", () =>
    sides.both(async (side) => {
      assert.deepEqual(await messages(side, mount.mounted("/srv/a b")), [
        "AbortedChange: /etc/fstab does not say what is mounted at /srv/a b; put fstab.hasEntries before this property",
      ]);
      const entry = fstab.hasEntries({ source: "tmpfs", mountPoint: "/srv/a b", type: "tmpfs" });
      await holdsAfterwards(side, eseqprops(entry, mount.mounted("/srv/a b")));
      assert.equal(await mounts(side), " /srv/a\\040b\n");
      const { commands } = await holds(side, mount.mounted("/srv/a b"));
      if (side.kind === "agent") assert.deepEqual(commands, []);
      await isUndone(side, mount.mounted("/srv/a b"));
      assert.equal(await mounts(side), "");
    }));

  test("nothing is mounted below, and what prevents it is named", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run(
        "mkdir -p /srv/c /srvx; mount -t tmpfs a /srv/c; mkdir /srv/c/d; mount -t tmpfs b /srv/c/d; mount -t tmpfs c /srv/c/d; mount -t tmpfs x /srvx",
      );
      await machine.run("cd /srv/c/d && exec setsid -f sleep 300 >/dev/null 2>&1");
      const [failure] = await messages(side, mount.unmountedBelow("/srv/c"));
      assert.match(
        failure ?? "",
        /^FailedChange: \/srv\/c\/d cannot be unmounted; stop what uses it: sleep \(\d+\): umount: \/srv\/c\/d: target is busy\.$/,
      );
      await machine.run("kill $(pgrep -x sleep) && while pgrep -x sleep; do sleep 0.1; done");
      await holdsAfterwards(side, mount.unmountedBelow("/srv/c", { andAt: false }));
      assert.equal(await mounts(side), " /srv/c\n /srvx\n");
      await holdsAfterwards(side, mount.unmountedBelow("/srv/c"));
      assert.equal(await mounts(side), " /srvx\n");
      await machine.run("umount /srvx && rmdir /srv/c /srvx");
    }));

  test("unmounted below, and removed; what is a mount point is emptied", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run(
        "mkdir -p /srv/e/f /srv/kept && touch /srv/kept/it && ln -s /srv/kept /srv/e/link && mount -t tmpfs a /srv/e/f && touch /srv/e/f/g",
      );
      await holdsAfterwards(side, mount.unmountedBelowAndRemoved("/srv/e"));
      assert.equal(await machine.run("ls /srv /srv/kept"), "/srv:\na b\nkept\n\n/srv/kept:\nit\n");
      await machine.run("mount -t tmpfs a /srv/kept && touch /srv/kept/other /srv/kept/.hidden");
      await holdsAfterwards(side, mount.unmountedBelowAndRemoved("/srv/kept"));
      assert.equal(await mounts(side), " /srv/kept\n");
      assert.equal(await machine.run("ls -A /srv/kept; umount /srv/kept; ls /srv/kept"), "it\n");
    }));
});
