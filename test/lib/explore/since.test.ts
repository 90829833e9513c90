import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { momentIn } from "../../../lib/explore/_moment";
import { since } from "../../../lib/explore/since";
import type { Hop } from "../../../lib/model/hop";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { changedPaths, ownCaches, snapshot } from "../../support/snapshot";
import type { Rig } from "../agent/_rig";
import { deployedRig } from "./_deployed";

const name = "web1.example.org";

const consfig = `import { defhost } from "consfigurator";
import { apt, file, os } from "consfigurator/properties";
export const web1 = defhost("${name}",
  os.debianStable("bookworm", "amd64"),
  file.hasContent("/etc/motd", ["welcome"]),
  file.hasContent("/etc/shop.conf", ["open"]),
  apt.installed("hello"),
);
`;

describe("what has changed on a host", { ...needsMachines(), concurrency: false }, () => {
  let rigged: Rig;
  before(async () => {
    rigged = await deployedRig(name, consfig);
  });
  after(() => rigged?.stop());

  const ways = {
    "over the shell": () => [rigged.ssh()],
    "through the agent": () => [rigged.ssh(), via.agent()],
  };
  const told = async (moment: string | undefined, hops: readonly Hop[]) => {
    const before = await snapshot(rigged.machine, { except: ownCaches });
    const rows = await since(name, moment, hops);
    assert.deepEqual(changedPaths(before, await snapshot(rigged.machine, { except: ownCaches })), []);
    assert.deepEqual(rows.errors, []);
    const times = [...rows].map(({ when }) => when);
    assert.deepEqual(times, [...times].sort().reverse());
    return [...rows].map(({ kind, what, change, by }) => [kind, what, change, by]);
  };

  for (const [way, hops] of Object.entries(ways))
    test(`is nothing since it was deployed, ${way}`, async () => {
      assert.deepEqual(await told(undefined, hops()), []);
    });

  for (const [way, hops] of Object.entries(ways))
    test(`since it was deployed, and since a time before that, ${way}, and nothing is touched`, async () => {
      await rigged.machine.run("chmod 600 /etc/shop.conf; dpkg -P hello; touch /var/log/apt/history.log");
      const after = [
        ["file", "/etc/shop.conf", "touched", "by hand"],
        ["package", "hello", "remove 2.10-3", null],
      ];
      const recent = (await told(undefined, hops())).sort();
      assert.deepEqual(recent, after);
      const all = (await told("1 h", hops())).sort();
      assert.deepEqual(
        all.map(([kind, what]) => [kind, what]),
        [
          ["boot", name],
          ["deployment", name],
          ["file", "/etc/motd"],
          ["file", "/etc/shop.conf"],
          ["package", "hello"],
          ["package", "hello"],
        ],
      );
      const [boot, deployment, motd] = all;
      assert.match(`${boot?.[2]}`, /^booted Linux \S+$/);
      assert.equal(deployment?.[2], "deployed: changed, 3 changed");
      assert.match(`${deployment?.[3]}`, /@/);
      assert.match(`${motd?.[3]}`, /^deployed by \S+@\S+ at \S+Z$/);
    });

  test("a host without a journal says what to do, and one that is not reached why", async () => {
    const { machine } = rigged;
    await machine.run("mv /root/.cache/consfigurator/agent/journal /root/journal");
    const rows = await since(name, rigged.ssh());
    assert.deepEqual(
      [[...rows], rows.errors],
      [
        [],
        [
          {
            host: name,
            message: `no deployment of ${name} is in the journal of an agent; say since when, such as since("${name}", "2 h")`,
          },
        ],
      ],
    );
    const away = await since("web2.example.org", "2 h", via.ssh({ user: "root", hop: "127.0.0.1", port: 9 }));
    assert.deepEqual([[...away], away.errors.map(({ host }) => host)], [[], ["web2.example.org"]]);
  });
});

test("what is no time is refused", () => {
  assert.throws(() => since(name, "yesterday"), {
    name: "InvalidArguments",
    message: `since: 'yesterday' is no time; say a Date, a time such as "2026-01-31 12:00", or how long ago: "90 min", "2 h", "3 days"`,
  });
  assert.throws(() => since(name, new Date("2999-01-01T00:00:00Z")), {
    message: "since: 2999-01-01T00:00:00.000Z is still to come",
  });
  assert.throws(() => since(3 as never, "2 h"), {
    message: "since: expected a host from defhost, or a list of hosts; got number",
  });
});

test("times", () => {
  const now = Date.parse("2026-01-31T12:00:00Z");
  const texts = ["2 h", "90min", "3 days", "1 week", "10 s", "1.5 h"].map((each) =>
    new Date(momentIn(each, now) ?? Number.NaN).toISOString(),
  );
  assert.deepEqual(texts, [
    "2026-01-31T10:00:00.000Z",
    "2026-01-31T10:30:00.000Z",
    "2026-01-28T12:00:00.000Z",
    "2026-01-24T12:00:00.000Z",
    "2026-01-31T11:59:50.000Z",
    "2026-01-31T10:30:00.000Z",
  ]);
  assert.equal(momentIn("2026-01-31T12:00:00Z"), now);
  assert.equal(momentIn(new Date(now)), now);
  for (const wrong of ["", "2 years", "h", "2026", "-2 h", 5, new Date(Number.NaN)])
    assert.equal(momentIn(wrong, now), undefined);
});
