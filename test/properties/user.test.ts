import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as user from "../../properties/user";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, type Sides } from "../support/sides";

/** Files with times, or with passwords of new accounts, which differ between machines. */
const except = [
  "/etc/.pwd.lock",
  "/etc/shadow",
  "/etc/shadow-",
  "/etc/gshadow-",
  "/etc/passwd-",
  "/etc/group-",
];

test("isLocked", () => {
  const shadow = ["root:*:1:::::", "locked:!$y$j9T$:1:::::", "open:$y$j9T$abc:1:::::", "none::1:::::"];
  const names = ["root", "locked", "open", "none", "absent"];
  assert.deepEqual(
    names.map((name) => user.isLocked(shadow, name)),
    [true, true, false, false, false],
  );
});

test("an invalid name is refused", () => {
  assert.throws(() => user.hasAccount("-rf"), {
    name: "InvalidArguments",
    message: 'user.hasAccount: args.username is "-rf"; it must be the name of a user or group',
  });
});

describe("user on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("hasAccount", () =>
    sides.both(
      async (side) => {
        await holdsAfterwards(side, user.hasAccount("deploy"));
        assert.match(await side.machine.run("getent passwd deploy"), /:\/home\/deploy:/);
        assert.equal(await side.machine.run("stat -c %U /home/deploy"), "deploy\n");
      },
      { except },
    ));

  test("a check starts no process in the agent", async () => {
    const { commands } = await holds(sides.each[0], user.hasAccount("plain"));
    assert.deepEqual(commands, []);
  });

  test("groupExists and hasGroups", () =>
    sides.both(
      async (side) => {
        await holdsAfterwards(side, user.groupExists("editors"));
        await holdsAfterwards(side, user.hasGroups("plain", "editors", "adm"));
        assert.equal(await side.machine.run("id -Gn plain"), "plain adm editors\n");
        // The primary group counts too.
        const { commands } = await holds(side, user.hasGroups("plain", "plain", "editors"));
        if (side.kind === "agent") assert.deepEqual(commands, []);
      },
      { except },
    ));

  test("an error names the missing group or account", async () => {
    for (const side of sides.each) {
      const missingGroup = await side.apply(user.hasGroups("plain", "no-such-group"));
      assert.deepEqual(
        missingGroup.failures.map(({ name, message }) => [name, message]),
        [
          [
            "AbortedChange",
            'the group no-such-group does not exist; put user.groupExists("no-such-group") before this property',
          ],
        ],
      );
      const missingAccount = await side.apply(user.hasGroups("no-such-user", "adm"));
      assert.deepEqual(
        missingAccount.failures.map(({ name, message }) => [name, message]),
        [
          [
            "AbortedChange",
            'the account no-such-user does not exist; put user.hasAccount("no-such-user") before this property',
          ],
        ],
      );
    }
  });

  test("hasLoginShell", () =>
    sides.both(
      async (side) => {
        await side.machine.run("cp /bin/dash /usr/local/bin/ownsh");
        await holdsAfterwards(side, user.hasLoginShell("plain", "/usr/local/bin/ownsh"));
        assert.match(await side.machine.run("getent passwd plain"), /:\/usr\/local\/bin\/ownsh$/m);
        assert.match(await side.machine.run("cat /etc/shells"), /^\/usr\/local\/bin\/ownsh$/m);
        const { failures } = await side.apply(user.hasLoginShell("plain", "/bin/fish"));
        assert.deepEqual(
          failures.map(({ message }) => message),
          ["/bin/fish does not exist; install the package that provides it before this property"],
        );
      },
      { except },
    ));

  test("hasAccountWithUid: creates the account, or changes its numbers", () =>
    sides.both(
      async (side) => {
        await holdsAfterwards(side, user.hasAccountWithUid("media", 1500));
        assert.match(await side.machine.run("id media"), /^uid=1500\(media\) gid=1500\(media\)/);
        await holdsAfterwards(side, user.hasAccountWithUid("media", 1600, { gid: 1700 }));
        assert.match(await side.machine.run("id media"), /^uid=1600\(media\) gid=1700\(media\)/);
        assert.equal(await side.machine.run("stat -c %u:%g /home/media"), "1600:1700\n");
        const { failures } = await side.apply(user.hasAccountWithUid("media", 0));
        assert.deepEqual(
          failures.map(({ message }) => message),
          ["cannot give uid 0 to media: root has it; choose another one"],
        );
      },
      { except },
    ));

  test("hasLockedPassword", async () => {
    for (const side of sides.each) {
      await holdsAfterwards(side, user.hasLockedPassword("plain"));
      assert.match(await side.machine.run("passwd -S plain"), /^plain L /);
    }
  });

  test("an error names root as required", async () => {
    const ordinary = await bootSides("plain");
    try {
      for (const side of ordinary.each) {
        await holds(side, user.hasAccount("admin"));
        const { failures } = await side.apply(user.hasAccount("deploy"));
        assert.deepEqual(
          failures.map(({ name, message }) => [name, message]),
          [
            [
              "AbortedChange",
              'user.hasAccount needs root, but the connected user is "plain"; add via.sudo() to the hops, or connect as root',
            ],
          ],
        );
      }
    } finally {
      await ordinary.stop();
    }
  });
});
