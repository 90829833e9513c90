import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { targetOf } from "consfigurator/testing";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as cmd from "../../properties/cmd";
import * as container from "../../properties/container";
import * as reboot from "../../properties/reboot";
import { applied } from "../support/_applied";
import { needsMachines } from "../support/machines";
import { bootSides, type Sides, succeeds } from "../support/sides";

test("a container that does not contain reboots is not rebooted", async () => {
  const { application, model } = prepare({ name: "web1" }, eseqprops(container.contained(), reboot.atEnd()));
  const { change, output, commands } = await applied(application, model, (context) =>
    targetOf("agent", context),
  );
  assert.equal(change, "unchanged");
  assert.equal(output, "not rebooting: that would reboot the machine outside this container\n");
  assert.deepEqual(commands, []);
});

describe("reboot on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("a reboot is scheduled once, after everything else", () =>
    sides.both(async (side) => {
      const result = await succeeds(
        side.apply(eseqprops(reboot.atEnd(), cmd.single("echo between"), reboot.atEnd())),
      );
      assert.deepEqual(result.commands, ["echo between", "shutdown -r +1"]);
      assert.match(
        result.output,
        /web1\.example\.org REBOOTS IN ONE MINUTE; run "shutdown -c" there to cancel\n/,
      );
      assert.match(await side.machine.run("cat /run/systemd/shutdown/scheduled"), /^MODE=reboot$/m);
      await side.machine.run("shutdown -c");
    }));
});
