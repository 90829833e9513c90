import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PropApp } from "../../lib/model/property";
import * as systemd from "../../properties/systemd";
import { needsMachines } from "../support/machines";
import { bootSides, holdsAfterwards, isUndone, type Side, type Sides, succeeds } from "../support/sides";

test("a unit is named with its suffix", () => {
  assert.throws(() => systemd.hasUnit("shop", "[Service]"), {
    name: "InvalidArguments",
    message:
      'systemd.hasUnit: args.unit is "shop"; it must be a unit with its suffix, such as "shop.service"',
  });
});

describe("units on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
  const shown = async ({ machine }: Side, unit: string, property: string) =>
    (await machine.run(`systemctl show -P ${property} ${unit}`)).trim();

  test("hasUnit: systemd has read it, and what it does not accept is not written", () =>
    sides.both(async (side) => {
      const lines = (command: string) => ["[Service]", `ExecStart=${command}`];
      await holdsAfterwards(side, systemd.hasUnit("shop.service", lines("/usr/bin/sleep 1000")));
      assert.match(await shown(side, "shop.service", "ExecStart"), /sleep 1000/);
      await succeeds(side.apply(systemd.hasUnit("shop.service", lines("/usr/bin/sleep 2000"))));
      assert.match(await shown(side, "shop.service", "ExecStart"), /sleep 2000/);
      const path = "/etc/systemd/system/shop.service";
      const begins = `AbortedChange: \`systemd-analyze verify --man=no --recursive-errors=no %s\` refuses the new content of ${path}, so it was not written; correct it:\n`;
      for (const [wrong, said] of [
        [
          ["[Service]", "ExecStrat=/usr/bin/true"],
          `${path}:2: Unknown key 'ExecStrat' in section [Service], ignoring.`,
        ],
        [
          lines("/usr/bin/no-such-program"),
          "Command /usr/bin/no-such-program is not executable: No such file or directory",
        ],
      ] as const) {
        const [message = ""] = await messages(side, systemd.hasUnit("shop.service", [...wrong]));
        assert.ok(message.startsWith(begins), message);
        assert.ok(message.includes(said), message);
      }
      assert.equal(await side.machine.run(`cat ${path}`), "[Service]\nExecStart=/usr/bin/sleep 2000\n");
      await isUndone(side, systemd.hasUnit("shop.service", lines("/usr/bin/sleep 2000")));
      assert.equal(await shown(side, "shop.service", "LoadState"), "not-found");
    }));

  test("hasDropIn", () =>
    sides.both(async (side) => {
      const limits = systemd.hasDropIn("cron.service", "limits", ["[Service]", "LimitNOFILE=4321"]);
      await holdsAfterwards(side, limits);
      assert.equal(await shown(side, "cron.service", "LimitNOFILE"), "4321");
      const path = "/etc/systemd/system/cron.service.d/own.conf";
      const [message = ""] = await messages(
        side,
        systemd.hasDropIn("cron.service", "own", ["[Service]", "LimitNOFILES=1"]),
      );
      assert.ok(
        message.startsWith(
          `AbortedChange: \`systemd-analyze verify --man=no --recursive-errors=no %s\` refuses the new content of ${path}, so it was not written; correct it:\n${path}:2: Unknown key 'LimitNOFILES' in section [Service], ignoring.`,
        ),
        message,
      );
      assert.deepEqual(await messages(side, systemd.hasDropIn("no-such.service", "own", "[Service]")), [
        "AbortedChange: there is no unit no-such.service for the drop-in /etc/systemd/system/no-such.service.d/own.conf; correct the name, or install what provides it before this property",
      ]);
      await isUndone(side, limits);
      assert.equal(await shown(side, "cron.service", "LimitNOFILE"), "524288");
      assert.equal(
        await side.machine.run("ls -d /etc/systemd/system/cron.service.d 2>/dev/null || true"),
        "",
      );
    }));

  test("hasTimer: it runs the command at its times", () =>
    sides.both(
      async (side) => {
        const timer = (when: string) =>
          systemd.hasTimer("tick", { when, command: "/usr/bin/touch /var/tmp/ticked", user: "plain" });
        await holdsAfterwards(side, timer("2035-01-02 03:04"));
        const { machine } = side;
        assert.match(await machine.run("systemctl list-timers --all"), /2035-01-02 03:04:00 .*tick\.timer/);
        assert.equal(await machine.run("systemctl is-enabled tick.timer"), "enabled\n");
        await machine.run("systemctl start tick.service");
        assert.equal(await machine.run("stat -c %U /var/tmp/ticked; rm /var/tmp/ticked"), "plain\n");
        await succeeds(side.apply(timer("2036-01-02 03:04")));
        assert.match(await machine.run("systemctl list-timers --all"), /2036-01-02 03:04:00 .*tick\.timer/);
        const [message = ""] = await messages(side, timer("some day"));
        assert.match(message, /tick\.timer:5: Failed to parse calendar specification, ignoring: some day/);
        await isUndone(side, timer("2036-01-02 03:04"));
        assert.equal(await machine.run("ls /etc/systemd/system | grep tick || true"), "");
        assert.doesNotMatch(await machine.run("systemctl list-timers --all"), /tick/);
      },
      { except: ["/var/lib/systemd/timers"] },
    ));
});
