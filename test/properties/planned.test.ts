/** Plans of several properties at once, on real hosts; after each, the properties are applied, and the plan must come true. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops, onChange } from "../../lib/combinators";
import type { PropApp } from "../../lib/model/property";
import { apt, file, systemd, user } from "../../properties";
import { needsMachines } from "../support/machines";
import { bootSides, type Side, type Sides, succeeds } from "../support/sides";

/** `<answer> <desc>` of each step of a plan. */
const answers = async (side: Side, application: PropApp): Promise<string[]> =>
  (await side.plan(application)).steps.map(
    ({ desc, status, plan }) => `${plan?.answer ?? status}${plan?.open ? " …" : ""} ${desc}`,
  );

describe("plans on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  /** A test over both sides: what is planned, and then comes true. */
  const planned = (name: string, application: () => PropApp, expected: string[]): void => {
    test(name, async () => {
      for (const side of sides.each) {
        assert.deepEqual(await answers(side, application()), expected, side.kind);
        await succeeds(side.apply(application()));
      }
    });
  };

  planned(
    "a package is removed and added in one run",
    () => eseqprops(apt.removed("cron"), apt.installed("cron")),
    ["would change not installed: cron", "would change installed: cron"],
  );

  planned(
    "a handler runs because of a planned change",
    () =>
      eseqprops(
        onChange(
          file.hasContent("/etc/default/cron", ["EXTRA_OPTS='-L 4'"]),
          systemd.restarted("cron.service"),
        ),
        onChange(file.hasMode("/etc/passwd", 0o644), systemd.restarted("ssh.service")),
      ),
    [
      "would change content of /etc/default/cron",
      "would change … cron.service restarted",
      "holds /etc/passwd has mode 0644",
    ],
  );

  planned(
    "a later step is about a file that an earlier one creates",
    () =>
      eseqprops(
        file.hasContent("/etc/shop/shop.conf", ["port = 80"]),
        file.containsLines("/etc/shop/shop.conf", "name = shop"),
        file.hasMode("/etc/shop/shop.conf", 0o640),
        file.containsLines("/etc/shop/shop.conf", "port = 80"),
      ),
    [
      "would change content of /etc/shop/shop.conf",
      "would change /etc/shop/shop.conf contains name = shop",
      "would change /etc/shop/shop.conf has mode 0640",
      "holds /etc/shop/shop.conf contains port = 80",
    ],
  );

  planned(
    "a package brings the file that is edited next",
    () =>
      eseqprops(
        apt.installed("logrotate"),
        file.containsLines("/etc/logrotate.conf", "# of the shop"),
        file.containsLines("/etc/shop/shop.conf", "port = 80"),
      ),
    [
      "would change installed: logrotate",
      "depends /etc/logrotate.conf contains # of the shop",
      "holds /etc/shop/shop.conf contains port = 80",
    ],
  );

  planned(
    "a user who is created earlier owns a file",
    () =>
      eseqprops(
        user.hasAccount("shop"),
        file.hasOwnership("/etc/shop/shop.conf", { user: "shop", group: "shop" }),
        user.hasGroups("shop", "adm"),
      ),
    [
      "would change account shop",
      "would change /etc/shop/shop.conf belongs to shop:shop",
      "would change shop is in adm",
    ],
  );
});
