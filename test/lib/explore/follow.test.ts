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

  test("a link that is lost ends it, and no process is left", async () => {
    const proxy = await rigged.proxy();
    const following = on(name, rigged.ssh("root", proxy)).follow();
    const seen: Seen[] = [];
    following.subscribe((each) => seen.push(each));
    await until("entries", () => seen.length > 0);
    proxy.cut();
    await until("the loss", () => seen.some(({ change }) => change === "lost"));
    await following;
    await until("no process", async () => (await left()) === "", { saw: () => "processes" });
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
