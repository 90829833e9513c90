import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as sysctl from "../../properties/sysctl";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("what is no setting is refused", () => {
  assert.throws(() => sysctl.set("forward", "1"), {
    name: "InvalidArguments",
    message:
      'sysctl.set: args.key is "forward"; it must be a setting of the kernel, such as "net.ipv4.ip_forward"',
  });
});

describe("sysctl on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const value = (side: Side, key: string) => side.machine.run(`sysctl -n ${key}`);

  test("set: in the kernel, and in a file for the next boot", () =>
    sides.both(async (side) => {
      await side.machine.run("sysctl -qw net.ipv4.ip_forward=0");
      const forward = sysctl.set("net.ipv4.ip_forward", "1");
      await holdsAfterwards(side, forward);
      assert.equal(await value(side, "net.ipv4.ip_forward"), "1\n");
      const { commands } = await holds(side, forward);
      if (side.kind === "agent") assert.deepEqual(commands, []);
      await side.machine.run("sysctl -qw net.ipv4.ip_forward=0");
      await holdsAfterwards(side, forward);
      await side.machine.run(
        "sysctl -qw net.ipv4.ip_forward=0; sysctl -q -p /etc/sysctl.d/90-net.ipv4.ip_forward.conf",
      );
      assert.equal(await value(side, "net.ipv4.ip_forward"), "1\n");
      await holdsAfterwards(side, sysctl.set("net.ipv4.ping_group_range", "0 5"));
      assert.equal(await value(side, "net.ipv4.ping_group_range"), "0\t5\n");
      await isUndone(side, forward);
      assert.equal(
        await side.machine.run("ls /etc/sysctl.d | grep ^90 || true"),
        "90-net.ipv4.ping_group_range.conf\n",
      );
    }));

  test("a name with a dot, and a setting that the kernel does not have", () =>
    sides.both(async (side) => {
      await side.machine.run("ip link add eth0.1 type veth; sysctl -qw net/ipv4/conf/eth0.1/forwarding=0");
      await holdsAfterwards(side, sysctl.set("net/ipv4/conf/eth0.1/forwarding", "1"));
      assert.equal(await value(side, "net/ipv4/conf/eth0.1/forwarding"), "1\n");
      const { failures } = await side.apply(sysctl.set("net.ipv4.no_such", "1"));
      assert.deepEqual(
        failures.map(({ name, message }) => `${name}: ${message}`),
        [
          "AbortedChange: the kernel has no setting net.ipv4.no_such; correct the name, or load the module that brings it before this property",
        ],
      );
    }));
});
