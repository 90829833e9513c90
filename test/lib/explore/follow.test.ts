import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { session } from "../../../lib/controller/session";
import { on } from "../../../lib/explore/on";
import type { Seen } from "../../../lib/model/seen";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { until } from "../../support/until";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";

const name = "web1.example.org";

describe("the journals of hosts are followed", { ...needsMachines(), concurrency: false }, () => {
  let rigged: Rig;
  before(async () => {
    rigged = await rig();
  });
  after(() => rigged?.stop());

  const left = async () => (await rigged.machine.exec("pgrep -xl 'journalctl|cat'")).stdout;

  for (const reached of ["over the shell", "through the agent", "as another user"])
    test(`${reached}, until it is stopped, and no process is left`, async (t) => {
      if (reached === "through the agent") {
        assertOk(await rigged.deploy([prop("cmd.single", "true")]));
        await rigged.arrived();
      }
      const hops = {
        "over the shell": [rigged.ssh()],
        "through the agent": [rigged.ssh(), via.agent()],
        "as another user": [rigged.ssh("admin"), via.sudo()],
      }[reached];
      await rigged.machine.run(`logger -t probe before ${reached}`);
      const following = on(name, hops as never).follow({ grep: "^(before|after) ", since: "-1h" });
      const seen: Seen[] = [];
      following.subscribe((each) => seen.push(each));
      const saw = (message: string) =>
        until(message, () => seen.find(({ row }) => row?.["message"] === message), {
          saw: () => JSON.stringify(seen),
        });
      t.after(() => following.stop());
      await saw(`before ${reached}`);
      await rigged.machine.run(`logger -t probe -p user.err after ${reached}`);
      const { host, change, row } = await saw(`after ${reached}`);
      assert.deepEqual([host, change, row?.["program"], row?.["priority"]], [name, "new", "probe", 3]);
      assert.match(await left(), /journalctl/);
      following.stop();
      await following;
      assert.equal(await left(), "");
      assert.equal(session.watches.size, 0);
    });

  test("a link that is lost is opened again, and the entries since then come once", async (t) => {
    const proxy = await rigged.proxy();
    const following = on(name, rigged.ssh("root", proxy)).follow({ since: "-1h", grep: "^probe " });
    const seen: Seen[] = [];
    following.subscribe((each) => seen.push(each));
    t.after(() => following.stop());
    const said = () => seen.map(({ change, row }) => row?.["message"] ?? change);
    const until_ = (what: string, holds: () => boolean) =>
      until(what, holds, { saw: () => JSON.stringify(seen) });
    await rigged.machine.run("logger probe 1; logger probe 2");
    await until_("entries", () => said().includes("probe 2"));
    const quiet = on(name, rigged.ssh("root", proxy)).follow({ grep: "^meanwhile " });
    const heard: unknown[] = [];
    quiet.subscribe(({ row }) => row && heard.push(row["message"]));
    t.after(() => quiet.stop());
    await until("both", async () => (await left()).match(/journalctl/g)?.length === 2, {
      saw: () => "processes",
    });
    proxy.cut("refuse");
    await until_("the loss", () => said().includes("lost"));
    await until("no process", async () => (await left()) === "", { saw: () => "processes" });
    await rigged.machine.run("logger probe 3; logger meanwhile 1; logger probe 4");
    proxy.restore();
    await until_("what came meanwhile", () => said().includes("probe 4"));
    assert.deepEqual(said(), ["probe 1", "probe 2", "lost", "back", "probe 3", "probe 4"]);
    assert.match(seen[2]?.message ?? "", /; connecting again until it answers$/);
    await until("what nothing had come before", () => heard.length > 0, { saw: () => "nothing" });
    assert.deepEqual(heard, ["meanwhile 1"]);
    quiet.stop();
    following.stop();
    await Promise.all([quiet, following]);
    assert.equal(await left(), "");
  });

  test("entries that the journal has no longer are said to be missing", async (t) => {
    const proxy = await rigged.proxy();
    const following = on(name, rigged.ssh("root", proxy)).follow({ lines: 1 });
    const seen: Seen[] = [];
    following.subscribe((each) => seen.push(each));
    t.after(() => following.stop());
    const saw = (what: string, holds: (each: Seen) => boolean) =>
      until(what, () => seen.some(holds), { saw: () => JSON.stringify(seen) });
    await saw("the newest entry", ({ change }) => change === "new");
    await rigged.machine.run("logger vacuum 1");
    await saw("an entry", ({ row }) => row?.["message"] === "vacuum 1");
    proxy.cut("refuse");
    await saw("the loss", ({ change }) => change === "lost");
    await rigged.machine.run("logger vacuum 2; journalctl --rotate --vacuum-size=1; logger vacuum 3");
    proxy.restore();
    await saw("what came after that", ({ row }) => row?.["message"] === "vacuum 3");
    assert.deepEqual(
      seen.flatMap(({ change, message = "" }) => (change === "noted" ? [message] : [])),
      ["entries may be missing here: the journal no longer has those that came after the last one"],
    );
    assert.ok(!seen.some(({ row }) => row?.["message"] === "vacuum 2"));
  });

  test("what is there already comes first, and lines do not go with grep", async () => {
    await rigged.machine.run("for n in 1 2 3; do logger -t lines $n; done");
    const messages: unknown[] = [];
    for await (const { row } of on(name, rigged.ssh()).follow({ unit: "init.scope", lines: 1 })) {
      messages.push(row?.["message"]);
      break;
    }
    assert.equal(messages.length, 1);
    assert.throws(() => on(name, rigged.ssh()).follow({ grep: "x", lines: 1 }), {
      name: "InvalidArguments",
      message:
        "follow: lines and grep are given, and journalctl counts lines before it looks for matches; write since instead",
    });
  });

  test("what journalctl refuses is said", async () => {
    const following = on(name, rigged.ssh()).follow({ since: "no such time" });
    const seen: Seen[] = [];
    for await (const each of following) seen.push(each);
    assert.deepEqual(
      seen.map(({ change, message }) => [change, message]),
      [["lost", "Failed to parse timestamp: no such time"]],
    );
  });
});
