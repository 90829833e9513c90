import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as etcDefault from "../../properties/etcDefault";
import { needsMachines } from "../support/machines";
import { bootSides, holdsAfterwards, type Sides } from "../support/sides";

test("a file outside /etc/default is refused", () => {
  for (const name of ["/etc/passwd", "../passwd", "grub.d/../../passwd", ""])
    assert.throws(() => etcDefault.contains(name, "A", "b"), {
      name: "InvalidArguments",
      message: `etcDefault.contains: args.name is ${JSON.stringify(name)}; it must be a file in /etc/default, such as "grub" or "grub.d/shop.cfg"`,
    });
});

describe("/etc/default on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("a shell reads what is set", () =>
    sides.both(async (side) => {
      await holdsAfterwards(side, etcDefault.contains("cron", { EXTRA_OPTS: "-L 4", READ_ENV: "it's $x" }));
      await holdsAfterwards(side, etcDefault.contains("grub.d/shop.cfg", "GRUB_TIMEOUT", "1"));
      assert.equal(
        await side.machine.run(
          '. /etc/default/cron; . /etc/default/grub.d/shop.cfg; echo "$EXTRA_OPTS|$READ_ENV|$GRUB_TIMEOUT"',
        ),
        "-L 4|it's $x|1\n",
      );
    }));
});
