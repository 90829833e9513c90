import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PropApp } from "../../lib/model/property";
import * as group from "../../properties/group";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, type Side, type Sides } from "../support/sides";

/** Files with times, or backups. */
const except = [
  "/etc/.pwd.lock",
  "/etc/shadow",
  "/etc/shadow-",
  "/etc/gshadow-",
  "/etc/passwd-",
  "/etc/group-",
];

describe("group on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);

  test("doesNotExist", () =>
    sides.both(
      async (side) => {
        await side.machine.run("groupadd editors; gpasswd -a plain editors");
        await holdsAfterwards(side, group.doesNotExist("editors"));
        assert.equal(await side.machine.run("getent group editors || id -Gn plain"), "plain\n");
        assert.deepEqual(await messages(side, group.doesNotExist("plain")), [
          'AbortedChange: plain is the group of the account plain; put user.doesNotExist("plain") before this property, or give plain another group',
        ]);
      },
      { except },
    ));

  test("hasOnlyMembers", () =>
    sides.both(
      async (side) => {
        await side.machine.run("gpasswd -M plain,nobody staff");
        await holdsAfterwards(side, group.hasOnlyMembers("staff", "plain", "admin"));
        assert.equal(await side.machine.run("getent group staff"), "staff:x:50:plain,admin\n");
        const { commands } = await holds(side, group.hasOnlyMembers("staff", "admin", "plain"));
        if (side.kind === "agent") assert.deepEqual(commands, []);
        await holdsAfterwards(side, group.hasOnlyMembers("staff"));
        assert.equal(await side.machine.run("getent group staff"), "staff:x:50:\n");
        assert.deepEqual(await messages(side, group.hasOnlyMembers("no-such", "plain")), [
          'AbortedChange: the group no-such does not exist; put user.groupExists("no-such") before this property',
        ]);
        assert.deepEqual(await messages(side, group.hasOnlyMembers("staff", "no-such")), [
          'AbortedChange: the account no-such does not exist; put user.hasAccount("no-such") before this property',
        ]);
      },
      { except },
    ));
});
