import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as journald from "../../properties/journald";
import { debianStable } from "../../properties/os";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Sides } from "../support/sides";

test("names and values that journald does not know are refused, and two of them for one host", () => {
  assert.throws(() => journald.configured({ SystemMaxUse: "much" }), {
    name: "InvalidArguments",
    message:
      'journald.configured: args.settings.SystemMaxUse is "much"; it must be a size as in journald.conf(5), such as "500M"',
  });
  assert.throws(() => journald.configured({ SystemMaxUsage: "1G" } as never), {
    message:
      /^journald\.configured: args\.settings has an unknown field "SystemMaxUsage"; it takes "Storage", .*, "SystemMaxUse", /,
  });
  const twice = eseqprops(
    debianStable("bookworm", "amd64"),
    journald.configured({ Storage: "none" }),
    journald.configured({ Storage: "auto" }),
  );
  assert.throws(() => prepare({ name: "web1" }, twice), {
    message:
      /an earlier property gives \/etc\/systemd\/journald\.conf\.d\/90-consfigurator\.conf another content; put both into one property, or remove one$/,
  });
});

describe("journald on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("the journal is limited, and no longer", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        const limited = journald.configured({
          SystemMaxUse: "48M",
          Storage: "persistent",
          MaxRetentionSec: "3month",
        });
        const limit = async () =>
          /, max (\S+),/.exec(
            await machine.run(
              "journalctl --sync; journalctl -q -o cat -u systemd-journald -g 'System Journal' -n 1",
            ),
          )?.[1];
        await holdsAfterwards(side, limited);
        assert.equal(await limit(), "48.0M");
        const { commands } = await holds(side, limited);
        if (side.kind === "agent") assert.deepEqual(commands, []);
        await isUndone(side, limited);
        assert.notEqual(await limit(), "48.0M");
        assert.equal(await machine.run("ls /etc/systemd/journald.conf.d 2>/dev/null || true"), "");
      },
      { except: ["/var/log"] },
    ));
});
