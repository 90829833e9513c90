import assert from "node:assert/strict";
import { release } from "node:os";
import { after, before, describe, test } from "node:test";
import { on } from "../../../lib/explore/on";
import { loginRecords } from "../../../lib/tables/_wtmp";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { changedPaths, ownCaches, snapshot } from "../../support/snapshot";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";

const name = "web1.example.org";

describe("the boots of a machine", { ...needsMachines(), concurrency: false }, () => {
  let rigged: Rig;
  before(async () => {
    rigged = await rig();
    const { machine } = rigged;
    await machine.reboot();
    await machine.run("journalctl --flush --sync");
    await machine.cutPower();
    await machine.powerOn();
  });
  after(() => rigged?.stop());

  const ways = {
    "over the shell": () => [rigged.ssh()],
    "through the agent": () => [rigged.ssh(), via.agent()],
  };
  const asked = async (way: keyof typeof ways) => {
    if (way === "through the agent") {
      assertOk(await rigged.deploy([prop("cmd.single", "true")]));
      await rigged.arrived();
    }
    const asking = on(name, ways[way]());
    await asking.facts();
    const before = await snapshot(rigged.machine, { except: ownCaches });
    const rows = await asking.reboots();
    assert.deepEqual(changedPaths(before, await snapshot(rigged.machine, { except: ownCaches })), []);
    assert.deepEqual(rows.errors, []);
    const times = [...rows].flatMap(({ when, until }) => (until === null ? [when] : [until, when]));
    assert.deepEqual(times, [...times].sort().reverse());
    for (const { upSeconds } of rows) assert.ok(upSeconds !== null && upSeconds >= 0 && upSeconds < 600);
    return rows;
  };

  for (const way of ["over the shell", "through the agent"] as const)
    test(`are told by wtmp, ${way}: how each ended, and nothing is touched`, async () => {
      const rows = await asked(way);
      assert.deepEqual(
        [...rows].map(({ ended, until, kernel }) => [ended, until !== null, kernel]),
        [
          ["still up", false, release()],
          ["not cleanly", true, release()],
          ["cleanly", true, release()],
        ],
      );
    });

  for (const way of ["over the shell", "through the agent"] as const)
    test(`are told by the journal where there is no wtmp, ${way}`, async () => {
      await rigged.machine.run("rm -f /var/log/wtmp");
      assert.deepEqual(
        [...(await asked(way))].map(({ ended, until, kernel }) => [ended, until !== null, kernel]),
        [
          ["still up", false, release()],
          ["not cleanly", true, null],
          ["cleanly", true, null],
        ],
      );
    });
});

describe("loginRecords", () => {
  const record = (size: number, type: number, user: string) => {
    const bytes = Buffer.alloc(size);
    bytes.writeInt16LE(type);
    bytes.write(user, 44);
    bytes.write("6.1.0", 76);
    if (size === 384) bytes.writeInt32LE(1_700_000_000, 340);
    else bytes.writeBigInt64LE(1_700_000_000n, 344);
    return bytes;
  };

  for (const size of [384, 400])
    test(`reads records of ${size} bytes, without an incomplete one at the end`, () => {
      const bytes = Buffer.concat([record(size, 2, "reboot"), record(size, 1, "shutdown"), Buffer.alloc(9)]);
      assert.deepEqual(loginRecords(bytes), [
        { type: 2, user: "reboot", host: "6.1.0", at: 1_700_000_000_000 },
        { type: 1, user: "shutdown", host: "6.1.0", at: 1_700_000_000_000 },
      ]);
    });

  test("has none of a file in another format", () => {
    assert.deepEqual(loginRecords(Buffer.alloc(4000, 0xff)), []);
  });
});
