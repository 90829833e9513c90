import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import { tablesIn } from "../../properties/_nftablesTables";
import * as nftables from "../../properties/nftables";
import { debianStable } from "../../properties/os";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

const rules = (...lines: string[]) =>
  nftables.ruleset([
    "table inet filter {",
    "  set ours { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } }",
    "  chain input {",
    "    type filter hook input priority filter; policy drop;",
    ...lines.map((line) => `    ${line}`),
    "  }",
    "}",
  ]);
const established = "ct state established,related accept";

test("what would remove the tables of others, declares nothing, or clashes is refused before connecting", () => {
  const prepared = (...each: PropApp[]) =>
    prepare({ name: "web1" }, eseqprops(debianStable("bookworm", "amd64"), ...each));
  assert.throws(() => prepared(nftables.ruleset("flush ruleset\ntable x {\n}\n")), {
    message:
      /`flush ruleset` would remove the tables of others; leave it out: the tables that are declared are replaced$/,
  });
  assert.throws(() => prepared(nftables.ruleset("add rule x y accept")), {
    message: /no table is declared; write `table inet filter \{ … \}`$/,
  });
  assert.throws(() => prepared(rules("tcp dport 22 accept"), rules("accept")), {
    message:
      /an earlier property gives \/etc\/nftables\.conf another content; put both into one property, or remove one$/,
  });
  assert.deepEqual(tablesIn("table x {}\ntable inet y {\n}\n# table z {\n"), ["ip x", "inet y"]);
});

describe("nftables on real hosts", needsMachines(), () => {
  let sides: Sides;
  const connections: ChildProcess[] = [];
  before(async () => {
    sides = await bootSides();
    for (const { machine } of sides.each) {
      await machine.run("apt-get update -q && apt-get install -qy --no-install-recommends nftables");
      await machine.waitForSsh();
      const connection = spawn("ssh", [...machine.sshOptions, `root@${machine.address}`, "echo up; cat"]);
      connections.push(connection);
      await once(connection.stdout, "data");
    }
  });
  after(async () => {
    for (const each of connections) each.stdin?.end();
    await sides?.stop();
  });

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
  const connects = ({ machine }: Side) =>
    execFileSync(
      "ssh",
      [...machine.sshOptions, "-o", "ConnectTimeout=10", `root@${machine.address}`, "echo", "hi"],
      {
        encoding: "utf8",
      },
    );
  const peerOf = async ({ machine }: Side) =>
    /(\S+):\d+\s+users/.exec(await machine.run("ss -Htnp state established | grep sshd"))?.[1];
  const own = { except: ["/var/log", "/var/lib/apt", "/var/cache", "/var/lib/dpkg", "/var/lib/systemd"] };

  test("rules are loaded, come back when they have changed, and leave other tables alone", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run("nft add table ip others");
      const some = rules(established, "iif lo accept", "tcp dport { 22, 80 } accept");
      await holdsAfterwards(side, some);
      assert.match(await machine.run("nft list ruleset"), /tcp dport \{ 22, 80 \} accept/);
      assert.equal(connects(side), "hi\n");
      assert.equal(await machine.run("systemctl is-enabled nftables"), "enabled\n");
      await machine.run(
        "nft add rule inet filter input tcp dport 81 accept; nft add element inet filter ours '{ 192.0.2.9 }'",
      );
      await holdsAfterwards(side, some);
      assert.doesNotMatch(await machine.run("nft list ruleset"), /81/);
      await machine.run("nft delete table inet filter; systemctl restart nftables");
      await holds(side, some);
      const other = nftables.ruleset(["table ip only {", "}"]);
      await machine.run("nft add table ip others");
      await holdsAfterwards(side, other);
      assert.equal(await machine.run("nft list tables | sort"), "table ip only\ntable ip others\n");
      await isUndone(side, other);
      assert.equal(
        await machine.run("nft list tables; systemctl is-enabled nftables || true"),
        "table ip others\ndisabled\n",
      );
    }, own));

  test("rules that would lock out who is connected are not loaded, nor those that nft does not accept", () =>
    sides.both(async (side) => {
      const { machine } = side;
      const before = await machine.run("nft list ruleset; cat /etc/nftables.conf");
      const peer = await peerOf(side);
      const locked = [
        `AbortedChange: with these rules, the host would accept no further connection from ${peer} to port 22 of ${machine.address}, by which sshd serves it now, so they were not loaded; accept new connections to that port`,
      ];
      for (const lines of [
        [established, "tcp dport 80 accept"],
        [established, "ip saddr 192.0.2.1 tcp dport 22 accept"],
        ["tcp dport 22 reject with tcp reset", "accept"],
        ["iifname other0 tcp dport 22 accept"],
      ])
        assert.deepEqual(await messages(side, rules(...lines)), locked, lines.join());
      assert.deepEqual(await messages(side, rules("tcp dpot 22 accept")), [
        "AbortedChange: `nft -c -f -` refuses the new content of /etc/nftables.conf, so it was not written; correct it:\n/etc/nftables.conf:10:9-12: Error: syntax error, unexpected string\n    tcp dpot 22 accept\n        ^^^^",
      ]);
      assert.equal(await machine.run("nft list ruleset; cat /etc/nftables.conf"), before);
      assert.equal(connects(side), "hi\n");
      await holdsAfterwards(side, rules(`ip saddr ${peer} iifname host0 tcp dport 22 accept`, established));
      assert.equal(connects(side), "hi\n");
    }, own));
});
