import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { prepare } from "../../lib/engine/prepare";
import * as user from "../../properties/user";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, type Side, type Sides } from "../support/sides";

test("hasHome: refused before connecting where there is no usermod", () => {
  assert.throws(() => prepare({ name: "web1" }, user.hasHome("deploy")), {
    message: /it needs a debianlike system, but web1 has no operating system declared yet$/,
  });
});

describe("user.hasHome on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const looks = (side: Side, paths: string) => side.machine.run(`stat -c '%n %a %U:%G' ${paths}`);

  test("made from the skeleton, moved, owned", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        await machine.run(
          "useradd --no-create-home ana; mkdir -p /etc/skel/bin; touch /etc/skel/bin/run; ln -sfn bin /etc/skel/tools",
        );
        await holdsAfterwards(side, user.hasHome("ana"));
        assert.equal(
          await looks(side, "/home/ana /home/ana/.profile /home/ana/bin /home/ana/bin/run /home/ana/tools"),
          "/home/ana 700 ana:ana\n/home/ana/.profile 644 ana:ana\n/home/ana/bin 755 ana:ana\n/home/ana/bin/run 644 ana:ana\n/home/ana/tools 777 ana:ana\n",
        );
        const { commands } = await holds(side, user.hasHome("ana"));
        if (side.kind === "agent") assert.deepEqual(commands, []);
        await machine.run("touch /home/ana/kept");
        await holdsAfterwards(side, user.hasHome("ana", { path: "/srv/people/ana", mode: 0o750 }));
        assert.equal(
          await looks(side, "/srv/people/ana /srv/people/ana/kept"),
          "/srv/people/ana 750 ana:ana\n/srv/people/ana/kept 644 root:root\n",
        );
        assert.equal(
          await machine.run("getent passwd ana | cut -d: -f6; ls -d /home/ana || true"),
          "/srv/people/ana\n",
        );
        await machine.run("chown root:root /srv/people/ana; mkdir /home/ana");
        await holdsAfterwards(side, user.hasHome("ana", { path: "/home/ana" }));
        assert.equal(await looks(side, "/home/ana"), "/home/ana 755 ana:ana\n");
      },
      { except: ["/etc/shadow", "/etc/shadow-", "/etc/passwd-"] },
    ));

  test("an account without a home directory of its own, a file in its place, and no account", () =>
    sides.both(async (side) => {
      const message = async (application: ReturnType<typeof user.hasHome>) =>
        (await side.apply(application)).failures.map((each) => `${each.name}: ${each.message}`);
      assert.deepEqual(await message(user.hasHome("nobody")), [
        'AbortedChange: the home directory of nobody is /nonexistent, which is none of its own; give it one with { path: "/home/nobody" }',
      ]);
      assert.deepEqual(await message(user.hasHome("plain", { path: "/etc/passwd" })), [
        "AbortedChange: /etc/passwd is not a directory; remove it, or give another { path }",
      ]);
      assert.deepEqual(await message(user.hasHome("none")), [
        'AbortedChange: the account none does not exist; put user.hasAccount("none") before this property',
      ]);
    }));
});
