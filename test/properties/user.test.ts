import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { prepare } from "../../lib/engine/prepare";
import { debianStable } from "../../properties/os";
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

  test("hasAccount, where a group of that name exists", () =>
    sides.both(
      async (side) => {
        await side.machine.run("groupadd --gid 4711 app");
        await holdsAfterwards(side, user.hasAccount("app"));
        assert.equal(await side.machine.run("id -gn app; getent group app"), "app\napp:x:4711:\n");
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

  test("hasDesktopGroups", () =>
    sides.both(
      async (side) => {
        await holdsAfterwards(side, user.hasDesktopGroups("admin"));
        assert.equal(await side.machine.run("id -Gn admin"), "admin cdrom floppy audio dip video plugdev\n");
      },
      { except },
    ));

  test("doesNotExist: the group goes with the account, and the home directory if asked", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        await machine.run("useradd -m -G adm,audio gone; useradd -m -g gone other; useradd -m -G adm kiosk");
        await holdsAfterwards(side, user.doesNotExist("gone"));
        assert.equal(
          await machine.run("id -gn other; ls -d /home/gone; getent passwd gone || true"),
          "gone\n/home/gone\n",
        );
        await holdsAfterwards(side, user.doesNotExist("kiosk", { removeHome: true }));
        await holdsAfterwards(side, user.doesNotExist("other", { removeHome: true }));
        assert.equal(
          await machine.run(
            "ls -d /home/kiosk /home/other 2>/dev/null; getent group | grep -e kiosk || true",
          ),
          "",
        );
        await machine.run("rm -r /home/gone; groupdel gone");
      },
      { except },
    ));

  test("doesNotExist: who is logged in, and root, are refused", async () => {
    const nobody = () => user.doesNotExist("root");
    assert.throws(
      () =>
        prepare(
          { name: "web1" },
          nobody(),
          prepare({ name: "web1" }, debianStable("bookworm", "amd64")).model,
        ),
      {
        message: /no system works without root; name another account$/,
      },
    );
    for (const side of sides.each) {
      await side.machine.run(
        "useradd -m busy; useradd -o -u 0 toor; systemd-run -q --uid=busy --unit=busy sleep infinity",
      );
      const [busy] = (await side.apply(user.doesNotExist("busy"))).failures;
      assert.match(
        busy?.message ?? "",
        /^userdel: user busy is currently used by process \d+; end what runs for busy, then deploy again$/,
      );
      assert.equal(busy?.name, "AbortedChange");
      const [toor] = (await side.apply(user.doesNotExist("toor"))).failures;
      assert.equal(toor?.message, "the account toor has the number 0, as root; give it another one first");
      await side.machine.run(
        "systemctl stop busy; sed -i /^toor:/d /etc/passwd /etc/shadow; userdel -r busy 2>/dev/null",
      );
    }
  });

  test("hasLockedPassword", async () => {
    for (const side of sides.each) {
      await holdsAfterwards(side, user.hasLockedPassword("plain"));
      assert.match(await side.machine.run("passwd -S plain"), /^plain L /);
    }
  });

  test("an error names root as required", async () => {
    const ordinary = await bootSides({ user: "plain" });
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
