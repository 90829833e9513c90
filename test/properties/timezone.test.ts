import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import { makeChildHost } from "../../lib/nested/make-host";
import * as chroot from "../../properties/chroot";
import { debianStable } from "../../properties/os";
import * as timezone from "../../properties/timezone";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, type Sides } from "../support/sides";

test("an invalid name is refused", () => {
  for (const zone of ["../../etc/passwd", "/etc/passwd", "Europe/", ""]) {
    assert.throws(() => timezone.configured(zone), {
      message: `timezone.configured: args.zone is "${zone}"; it must be a time zone, such as "Europe/London"`,
    });
  }
});

test("the zone of the containing host", () => {
  const inside = makeChildHost(
    { name: "inner" },
    debianStable("bookworm", "amd64"),
    timezone.configuredFromParent(),
  );
  const outer = (...applications: PropApp[]) =>
    prepare(
      { name: "web1" },
      eseqprops(debianStable("bookworm", "amd64"), ...applications, chroot.deploys("/srv/inner", inside)),
    );
  const { application } = outer(timezone.configured("Asia/Kolkata"));
  assert.match(JSON.stringify(application), /"zone":"Asia\/Kolkata".*"zone":"Asia\/Kolkata"/);
  assert.throws(() => outer(), {
    message:
      /web1, which contains this host, declares no time zone; put timezone\.configured\("Europe\/London"\) or the like into it before the property that deploys this host$/,
  });
  assert.throws(
    () =>
      prepare(
        { name: "web1" },
        eseqprops(debianStable("bookworm", "amd64"), timezone.configuredFromParent()),
      ),
    {
      message:
        /web1 is inside no other host; only hosts made with makeChildHost are\. Use timezone\.configured here$/,
    },
  );
});

describe("timezone on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("configured", () =>
    sides.both(async (side) => {
      await holdsAfterwards(side, timezone.configured("Europe/London"));
      await holdsAfterwards(side, timezone.configured("Asia/Kolkata"));
      assert.equal(
        await side.machine.run("date +%Z; readlink /etc/localtime; cat /etc/timezone"),
        "IST\n/usr/share/zoneinfo/Asia/Kolkata\nAsia/Kolkata\n",
      );
      assert.match(await side.machine.run("debconf-show tzdata"), /tzdata\/Zones\/Asia: Kolkata/);
      const { commands } = await holds(side, timezone.configured("Asia/Kolkata"));
      assert.deepEqual(commands, []);
    }));

  test("another name of the same zone counts, as tzdata writes its own", () =>
    sides.both(async (side) => {
      await holdsAfterwards(side, timezone.configured("UTC"));
      await holds(side, timezone.configured("Etc/UTC"));
      await holdsAfterwards(side, timezone.configured("Asia/Calcutta"));
      await holds(side, timezone.configured("Asia/Kolkata"));
    }));

  test("a zone that does not exist changes nothing", () =>
    sides.both(async (side) => {
      const { failures } = await side.apply(timezone.configured("Europe/Atlantis"));
      assert.deepEqual(
        failures.map(({ name, message }) => [name, message]),
        [
          [
            "AbortedChange",
            'unknown time zone "Europe/Atlantis": /usr/share/zoneinfo/Europe/Atlantis is missing; check the name, and that tzdata is installed',
          ],
        ],
      );
      assert.match(await side.machine.run("cat /etc/timezone"), /^Asia\/(Kolkata|Calcutta)\n$/);
    }));
});
