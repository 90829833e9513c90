import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as sshd from "../../properties/sshd";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, type Side, type Sides, succeeds } from "../support/sides";

test("settings are words in turn, an object or pairs, and options may follow", () => {
  const args = (...params: Parameters<typeof sshd.configured>) => sshd.configured(...params).args;
  const expected = { settings: [["Port", ["22"]]], match: "User a" };
  assert.deepEqual(args("Port", "22", { match: "User a" }), expected);
  assert.deepEqual(args({ Port: ["22"] }, { match: "User a" }), expected);
  assert.deepEqual(args([["Port", "22"]], { match: "User a" }), expected);
  assert.deepEqual(args("port", "1", "Port", "22"), { settings: [["Port", ["22"]]] });
  assert.throws(() => sshd.configured("Port", "22", { user: "a" } as never), {
    message: 'sshd.configured: args has an unknown field "user"; it takes "settings", "match", "file"',
  });
  assert.throws(() => sshd.configured("Max Tries", "3"), {
    message: 'sshd.configured: args.settings[0][0] is "Max Tries"; it must be a keyword, such as "Port"',
  });
});

describe("sshd on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const effective = async (side: Side, user = "root") =>
    side.machine.run(`/usr/sbin/sshd -T -C user=${user},host=h,addr=192.0.2.1`);
  const messages = async (side: Side, application: ReturnType<typeof sshd.configured>) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);

  test("configured: for everybody, although the file ends in a block", () =>
    sides.both(async (side) => {
      await side.machine.run(
        "printf '%s\\n' 'Match User plain' 'MaxAuthTries 9' 'Banner none' >>/etc/ssh/sshd_config; echo 'maxsessions 7' >/etc/ssh/sshd_config.d/own.conf",
      );
      const settings = { MaxAuthTries: "3", MaxSessions: "4", AcceptEnv: ["A_*", "B_*"] };
      await holdsAfterwards(side, sshd.configured(settings));
      assert.match(await effective(side), /^maxauthtries 3\n(.*\n)*maxsessions 4$/m);
      assert.match(await effective(side, "plain"), /^maxauthtries 9$/m);
      assert.deepEqual((await effective(side)).match(/^acceptenv .*/gm), ["acceptenv A_*", "acceptenv B_*"]);
    }));

  test("configured: for those who match", () =>
    sides.both(async (side) => {
      const settings = sshd.configured("MaxAuthTries", "5", "X11Forwarding", "no", { match: "user plain" });
      await holdsAfterwards(side, settings);
      assert.match(await effective(side, "plain"), /^maxauthtries 5$/m);
      assert.match(await effective(side), /^maxauthtries 3$/m);
    }));

  test("sshd reads it, and what it does not accept is not written", () =>
    sides.both(async (side) => {
      const before = await side.machine.run("cat /etc/ssh/sshd_config");
      for (const [application, words] of [
        [sshd.configured("MaxAuthTrise", "3"), /Bad configuration option: MaxAuthTrise/],
        [
          sshd.configured("Port", "23", { match: "User plain" }),
          /Directive 'Port' is not allowed within a Match block/,
        ],
      ] as const) {
        const [message = ""] = await messages(side, application);
        assert.match(
          message,
          /^AbortedChange: `\/usr\/sbin\/sshd -t -f %s` refuses the new content of \/etc\/ssh\/sshd_config, so it was not written; correct it:\n/,
        );
        assert.match(message, words);
      }
      assert.equal(await side.machine.run("cat /etc/ssh/sshd_config"), before);
      const { steps } = await succeeds(side.apply(sshd.configured("ClientAliveInterval", "77")));
      assert.ok(
        steps.some((step) => step.startsWith("ssh reloaded: changed")),
        steps.join("\n"),
      );
    }));

  test("another file, and a host on which sshd does not run", () =>
    sides.both(async (side) => {
      await side.machine.run("systemctl stop ssh.service; rm -rf /run/sshd");
      const own = sshd.configured({ LoginGraceTime: "33" }, { file: "/etc/ssh/sshd_config.d/10-own.conf" });
      await holdsAfterwards(side, own);
      assert.equal(await side.machine.run("cat /etc/ssh/sshd_config.d/10-own.conf"), "LoginGraceTime 33\n");
      await side.machine.run("systemctl start ssh.service");
      await holds(side, own);
    }));
});
