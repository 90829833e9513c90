import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import { debianStable } from "../../properties/os";
import * as ufw from "../../properties/ufw";
import { limit } from "../support/load";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("what is no port, and two rules for one, are refused before connecting", () => {
  const prepared = (...each: PropApp[]) =>
    prepare({ name: "web1" }, eseqprops(debianStable("bookworm", "amd64"), ...each));
  assert.throws(() => ufw.allows("ssh"), {
    name: "InvalidArguments",
    message:
      'ufw.allows: args.port is "ssh"; it must be a port with its protocol, such as "22/tcp", or ports, such as "6000:6007/tcp" or "80,443/tcp"',
  });
  assert.throws(() => prepared(ufw.allows("25/tcp"), ufw.denies("25/tcp")), {
    message:
      /an earlier property has "allow port 25\/tcp" already, and ufw has one rule for that; remove one of the two$/,
  });
  prepared(ufw.allows("25/tcp", { from: "192.0.2.1" }), ufw.denies("25/tcp"));
  assert.throws(() => prepared(ufw.allows("1:2")), {
    message: /ufw wants a protocol for the ports 1:2; write "1:2\/tcp" or "1:2\/udp"$/,
  });
});

describe("ufw on real hosts", needsMachines(), () => {
  let sides: Sides;
  const connections: ChildProcess[] = [];
  before(async () => {
    sides = await bootSides({ withDependencies: true });
    for (const { machine } of sides.each) {
      await machine.waitForSsh();
      const connection = spawn("ssh", [...machine.sshOptions, `root@${machine.address}`, "echo up; cat"]);
      connections.push(connection);
      await once(connection.stdout, "data");
    }
  }, untilBaseIsBuilt);
  after(async () => {
    for (const each of connections) each.stdin?.end();
    await sides?.stop();
  });

  const messages = async (applying: ReturnType<Side["apply"]>) =>
    (await applying).failures.map(({ name, message }) => `${name}: ${message}`);
  const connects = ({ machine }: Side) =>
    execFileSync(
      "ssh",
      [...machine.sshOptions, "-o", "ConnectTimeout=10", `root@${machine.address}`, "echo", "hi"],
      { encoding: "utf8" },
    );
  const own = { except: ["/var/log", "/var/lib", "/var/cache", "/usr/lib/python3", "/usr/share"] };

  const locked =
    /^AbortedChange: with these rules, the host would accept no further connection from \S+ to port 22 of \S+, by which sshd serves it now, so they were not loaded; accept new connections to that port$/;
  const isLocked = async (applying: ReturnType<Side["apply"]>) => {
    const found = await messages(applying);
    assert.equal(found.length, 1);
    assert.match(found[0] ?? "", locked);
  };
  const withMore = { timeout: limit(120) };

  test("enabled, unless that would lock out who is connected", withMore, () =>
    sides.both(async (side) => {
      const { machine } = side;
      assert.deepEqual(await messages(side.apply(ufw.allows("22/tcp"))), [
        'AbortedChange: ufw is not installed; put apt.installed("ufw") or the like before this property',
      ]);
      await machine.run("apt-get update -q && apt-get install -qy --no-install-recommends ufw");
      await isLocked(side.apply(ufw.enabled()));
      assert.match(await machine.run("ufw status"), /inactive/);
      await holdsAfterwards(side, ufw.allows("22/tcp"));
      await holdsAfterwards(side, ufw.enabled());
      assert.equal(connects(side), "hi\n");
      const { commands } = await holds(side, eseqprops(ufw.allows("22/tcp"), ufw.enabled()));
      if (side.kind === "agent") assert.deepEqual(commands, []);
    }, own),
  );

  test("rules, which cannot lock out who is connected", withMore, () =>
    sides.both(async (side) => {
      const { machine } = side;
      for (const rule of [
        ufw.allows("5432/tcp", { from: "192.0.2.0/24" }),
        ufw.allows("53"),
        ufw.allows("80,443/tcp"),
        ufw.allows("6000:6007/udp", { from: "2001:db8::7" }),
        ufw.limits("2222/tcp"),
        ufw.denies("25/tcp"),
      ])
        await holdsAfterwards(side, rule);
      assert.equal(
        await machine.run("ufw show added | tail -n +2 | sort"),
        [
          "ufw allow 22/tcp",
          "ufw allow 53",
          "ufw allow 80,443/tcp",
          "ufw allow from 192.0.2.0/24 to any port 5432 proto tcp",
          "ufw allow from 2001:db8::7 to any port 6000:6007 proto udp",
          "ufw deny 25/tcp",
          "ufw limit 2222/tcp",
          "",
        ].join("\n"),
      );
      await isLocked(side.apply(ufw.denies("22/tcp")));
      await isLocked(side.unapply(ufw.allows("22/tcp")));
      await isUndone(side, ufw.allows("53"));
      assert.equal(connects(side), "hi\n");
      await isUndone(side, ufw.enabled());
      assert.match(await machine.run("ufw status"), /inactive/);
      await isUndone(side, ufw.allows("22/tcp"));
    }, own),
  );
});
