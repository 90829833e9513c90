/** The test machines have no disks: u-boot-install-rockchip is played, and prints how it was called. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as container from "../../properties/container";
import { debianStable } from "../../properties/os";
import * as uBoot from "../../properties/uBoot";
import { needsMachines } from "../support/machines";
import { bootSides, type Side, type Sides, succeeds } from "../support/sides";

const prepared = (...applications: PropApp[]) =>
  prepare({ name: "web1" }, eseqprops(debianStable("bookworm", "amd64"), ...applications));

test("refused before connecting: the board of another machine", () => {
  assert.throws(() => prepared(container.contained("filesystem"), uBoot.installedRockchip("/dev/mmcblk0")), {
    message:
      /the disks that web1 sees are not its own, so its board is not known; give a target, such as "rockpro64-rk3399"$/,
  });
});

const PLAYED = `cat >/usr/local/sbin/u-boot-install-rockchip <<'END'
#!/bin/sh
echo "$*\${TARGET:+ for $TARGET}" >>/run/calls
END
chmod 755 /usr/local/sbin/u-boot-install-rockchip`;

describe("uBoot on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
    await Promise.all(sides.each.map(({ machine }) => machine.run(PLAYED)));
  });
  after(() => sides?.stop());

  const applied = async (side: Side, application: PropApp) => {
    await side.plan(application);
    assert.equal((await succeeds(side.apply(application))).change, "changed");
    return side.machine.run("cat /run/calls; rm /run/calls");
  };

  test("U-Boot for a board", () =>
    sides.both(async (side) => {
      assert.equal(
        await applied(side, uBoot.installedRockchip("/dev/mmcblk0", { target: "rockpro64-rk3399" })),
        "/dev/mmcblk0 for rockpro64-rk3399\n",
      );
      assert.equal(await applied(side, uBoot.installedRockchip("/dev/mmcblk0")), "/dev/mmcblk0\n");
    }));
});
