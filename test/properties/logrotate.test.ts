import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PropApp } from "../../lib/model/property";
import * as logrotate from "../../properties/logrotate";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("a name with a dot, which logrotate passes over, is refused", () => {
  assert.throws(() => logrotate.configured("shop.conf", ""), {
    name: "InvalidArguments",
    message:
      'logrotate.configured: args.name is "shop.conf"; it must be the name of a file without dots, such as "shop"',
  });
});

describe("logrotate on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
  const rules = (...more: string[]) => logrotate.configured("shop", ["/var/log/shop.log {", ...more, "}"]);

  test("rules are judged, and rotate", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        assert.deepEqual(await messages(side, rules("rotate 2")), [
          'AbortedChange: logrotate is not installed; put apt.installed("logrotate") or the like before this property',
        ]);
        await machine.run("apt-get update -q && apt-get install -qy --no-install-recommends logrotate");
        await holdsAfterwards(side, rules("rotate 2", "size 1", "missingok"));
        const { commands } = await holds(side, rules("rotate 2", "size 1", "missingok"));
        if (side.kind === "agent") assert.deepEqual(commands, []);
        await machine.run("echo x >/var/log/shop.log; logrotate /etc/logrotate.conf; ls /var/log/shop.log.1");
        const refused = (said: string) => [
          `AbortedChange: \`logrotate -d\` refuses the new content of /etc/logrotate.d/shop, so it was not written; correct it:\n${said}`,
        ];
        assert.deepEqual(
          await messages(side, rules("rotat 2")),
          refused("error: /etc/logrotate.d/shop:2 unknown option 'rotat' -- ignoring line"),
        );
        assert.deepEqual(
          await messages(side, logrotate.configured("shop", ["/var/log/dpkg.log {", "weekly", "}"])),
          refused("error: /etc/logrotate.d/shop:1 duplicate log entry for /var/log/dpkg.log"),
        );
        await machine.run("touch /var/log/shop.log");
        await isUndone(side, rules("rotate 2", "size 1", "missingok"));
        assert.equal(await machine.run("ls /etc/logrotate.d/shop || true"), "");
      },
      {
        except: [
          "/var/log",
          "/var/lib/apt",
          "/var/cache",
          "/var/lib/dpkg",
          "/var/lib/logrotate",
          "/var/lib/systemd",
        ],
      },
    ));
});
