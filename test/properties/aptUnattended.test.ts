import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as apt from "../../properties/apt";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holdsAfterwards, isUndone, type Sides, succeeds } from "../support/sides";

test("what would end a string of apt's configuration is refused", () => {
  assert.throws(() => apt.unattendedUpgrades({ mail: 'root"; x "' }), {
    name: "InvalidArguments",
    message:
      'apt.unattendedUpgrades: args.options.mail is "root\\"; x \\""; it must be an address, such as "root"',
  });
  assert.throws(() => apt.unattendedUpgrades({ reboot: "24:00" }), { name: "InvalidArguments" });
});

describe("apt's own services on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides({ withDependencies: true });
  }, untilBaseIsBuilt);
  after(() => sides?.stop());

  // Python, which unattended-upgrades is written in, takes its time to be installed.
  const slow = { timeout: 10 * 60_000 };

  test("unattendedUpgrades: what unattended-upgrade itself understands", slow, () =>
    sides.both(async (side) => {
      const upgrades = apt.unattendedUpgrades({
        origins: ["origin=Debian,codename=${distro_codename}-updates"],
        excluded: ["^linux-"],
        reboot: "04:30",
      });
      await holdsAfterwards(side, upgrades);
      const understood = await side.machine.run("unattended-upgrade --dry-run --debug 2>&1");
      assert.match(understood, /Allowed origins are:.*origin=Debian,codename=bookworm-updates/);
      assert.match(understood, /Allowed origins are:.*codename=bookworm-security/);
      assert.match(understood, /Initial blacklist: \^linux-/);
      assert.match(
        await side.machine.run("apt-config dump Unattended-Upgrade; apt-config dump APT::Periodic"),
        /Mail "root";[\s\S]*Automatic-Reboot "true";[\s\S]*Automatic-Reboot-Time "04:30";[\s\S]*Periodic::Unattended-Upgrade "1";/,
      );
      await holdsAfterwards(side, apt.unattendedUpgrades());
      await isUndone(side, upgrades);
      assert.equal((await side.machine.exec("command -v unattended-upgrade")).exit, 127);
    }),
  );

  test("usesLocalCacher: the proxy answers, and unapplying it leaves it installed", slow, () =>
    sides.both(
      async (side) => {
        await succeeds(side.apply(apt.usesLocalCacher()));
        const { change } = await succeeds(side.apply(apt.usesLocalCacher()));
        assert.equal(change, "unchanged");
        assert.match(
          await side.machine.run("apt-config dump Acquire::HTTP::Proxy"),
          /"http:\/\/127\.0\.0\.1:3142";/,
        );
        await side.machine.run("until ss -ltn | grep -q :3142; do sleep 0.05; done");
        await isUndone(side, apt.usesLocalCacher());
        assert.equal(await side.machine.run("systemctl is-active apt-cacher-ng"), "active\n");
      },
      { except: ["/var/cache/apt-cacher-ng", "/var/log/apt-cacher-ng"] },
    ),
  );
});
