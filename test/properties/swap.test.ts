/**
 * The files of the test machines are on overlayfs, which holds no swap space: swapon(8), swapoff(8) and /proc/swaps are played
 * as their manual pages say. The files are made for real.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as mount from "../../properties/mount";
import { debianStable } from "../../properties/os";
import * as service from "../../properties/service";
import * as swap from "../../properties/swap";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

const refusal = (...applications: PropApp[]) => {
  try {
    prepare({ name: "web1" }, eseqprops(debianStable("bookworm", "amd64"), ...applications));
    return undefined;
  } catch (error) {
    return (error as Error).message
      .split("\n")
      .at(-1)
      ?.replace(/^.*hasSwapFile\([^)]*\) /, "");
  }
};

test("refused before connecting", () => {
  assert.throws(() => swap.hasSwapFile("2 G"), {
    name: "InvalidArguments",
    message: 'swap.hasSwapFile: args.size is "2 G"; it must be a size such as "2GiB"',
  });
  assert.throws(() => swap.hasSwapFile("2G", { location: "swap file" }), {
    message:
      'swap.hasSwapFile: args.location is "swap file"; it must be the absolute path of a file without blanks, such as "/var/lib/swapfile"',
  });
  assert.match(refusal(swap.hasSwapFile("2")) ?? "", /swap space of 2 is too small; give it at least 1M$/);
  assert.match(
    refusal(swap.hasSwapFile("2G"), swap.hasSwapFile("4G")) ?? "",
    /an earlier property gives \/var\/lib\/swapfile another content; put both into one property, or remove one$/,
  );
  assert.equal(
    refusal(swap.hasSwapFile("640K"), swap.hasSwapFile("1GiB", { location: "/srv/swap" })),
    undefined,
  );
});

/** Swap space in use is what a table lists, which lies over that of the kernel. */
const PLAYED = `set -e
printf 'Filename\\tType\\tSize\\tUsed\\tPriority\\n' >/run/swaps
mount --bind /run/swaps /proc/swaps
cat >/usr/local/sbin/swapon <<'END'
#!/bin/sh
case "$1" in /srv/tmpfs/*) echo "swapon: $1: swapon failed: Invalid argument" >&2; exit 255;; esac
swaplabel "$1" >/dev/null || exit 255
printf '%s\\tfile\\t1020\\t0\\t-2\\n' "$1" >>/run/swaps
END
cat >/usr/local/sbin/swapoff <<'END'
#!/bin/sh
grep -v "^$1	" /run/swaps >/run/rest; cat /run/rest >/run/swaps
END
chmod 755 /usr/local/sbin/swap*`;

describe("swap on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
    await Promise.all(sides.each.map(({ machine }) => machine.run(PLAYED)));
  });
  after(() => sides?.stop());

  const inUse = (side: Side) => side.machine.run("tail -n +2 /run/swaps | cut -f1");
  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
  // mkswap gives each its own UUID.
  const except = { except: ["/var/lib/swapfile", "/srv/swap"] };
  // In it, service.withoutStartingServices writes policy-rc.d for a while.
  const inhibited = { except: [...except.except, "/usr/sbin"] };

  test("a swap file, now and at boot; another size; its end", () =>
    sides.both(async (side) => {
      const { machine } = side;
      const file = swap.hasSwapFile("1M");
      await holdsAfterwards(side, file);
      assert.equal(await inUse(side), "/var/lib/swapfile\n");
      assert.equal(
        await machine.run(
          "stat -c '%a %s' /var/lib/swapfile; cat /etc/fstab; ls /var/lib/*.new 2>&1 || true",
        ),
        "600 1048576\n# UNCONFIGURED FSTAB FOR BASE SYSTEM\n/var/lib/swapfile swap swap defaults 0 0\nls: cannot access '/var/lib/*.new': No such file or directory\n",
      );
      const { commands } = await holds(side, file);
      if (side.kind === "agent") assert.deepEqual(commands, []);
      await machine.run("swapoff /var/lib/swapfile; chmod 644 /var/lib/swapfile");
      await holdsAfterwards(side, file);
      const larger = swap.hasSwapFile("3MB");
      await holdsAfterwards(side, larger);
      assert.equal(await machine.run("stat -c '%a %s' /var/lib/swapfile"), "600 3000000\n");
      assert.equal(await inUse(side), "/var/lib/swapfile\n");
      await isUndone(side, larger);
      assert.equal(await inUse(side), "");
      await machine.run("! ls /var/lib/swapfile && ! grep swap /etc/fstab");
    }, except));

  test("what an interrupted run has left is made anew", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run("fallocate -l 1M /srv/swap.new");
      const file = swap.hasSwapFile("1M", { location: "/srv/swap" });
      await holdsAfterwards(side, file);
      assert.equal(await machine.run("ls /srv"), "swap\n");
      await isUndone(side, file);
    }, except));

  test("refused: no room, another file, a directory of others, a file system that cannot hold it", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run(
        "mkdir /srv/tmpfs && mount -t tmpfs -o size=4M,mode=755 none /srv/tmpfs && echo data >/srv/data; mkdir -m 1777 /srv/shared",
      );
      const at = (location: string, size = "2M") => messages(side, swap.hasSwapFile(size, { location }));
      assert.deepEqual(await at("/srv/tmpfs/sub/swap", "8M"), [
        "AbortedChange: 8 MiB of swap space do not fit into /srv/tmpfs, in which 4 MiB are free; lower the size, or name another location",
      ]);
      assert.deepEqual(await at("/srv/data"), [
        "AbortedChange: /srv/data is there, and is no swap space; remove it, or name another location",
      ]);
      assert.deepEqual(await at("/srv/shared/sub/swap"), [
        "AbortedChange: other users can write to /srv/shared, and could replace /srv/shared/sub/swap while it is made; name a location in a directory that only root can write to",
      ]);
      assert.deepEqual(await at("/srv/tmpfs/swap"), [
        "FailedChange: /srv/tmpfs/swap cannot be used as swap space; name a location on a file system that allows it, such as ext4: swapon: /srv/tmpfs/swap: swapon failed: Invalid argument",
      ]);
      assert.equal(await machine.run("ls /srv/tmpfs; cat /srv/data; umount /srv/tmpfs"), "data\n");
    }, except));

  test("where services are inhibited, it is made and not used", () =>
    sides.both(async (side) => {
      const inside = service.withoutStartingServices(swap.hasSwapFile("1M"));
      await holdsAfterwards(side, inside, inhibited);
      assert.equal(await inUse(side), "");
      await holdsAfterwards(side, swap.hasSwapFile("1M"));
      assert.equal(await inUse(side), "/var/lib/swapfile\n");
    }, except));

  test("a directory that is removed is no longer used", () =>
    sides.both(async (side) => {
      await side.machine.run(
        "mkdir -p /old-os/var && fallocate -l 1M /old-os/var/swap && mkswap /old-os/var/swap >/dev/null 2>&1 && swapon /old-os/var/swap",
      );
      await holdsAfterwards(side, mount.unmountedBelowAndRemoved("/old-os"));
      assert.equal(await inUse(side), "/var/lib/swapfile\n");
    }, except));
});
