import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import { session } from "../../../lib/controller/session";
import { on } from "../../../lib/explore/on";
import type { Hop } from "../../../lib/model/hop";
import type { Seen } from "../../../lib/model/seen";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { until } from "../../support/until";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";

const name = "web1.example.org";

describe("files of a host are followed", { ...needsMachines(), concurrency: false }, () => {
  let rigged: Rig;
  before(async () => {
    rigged = await rig();
  });
  after(() => rigged?.stop());

  const left = async () =>
    (await rigged.machine.exec("pgrep -af '[f]ollow /'; pgrep -xl 'tail|sleep|cat'")).stdout;
  const gone = () => until("no process of it", async () => (await left()) === "", { saw: () => "processes" });
  const run = (script: string) => rigged.machine.run(`set -e; cd /var/log; ${script}`);

  /** Follows, and tells what was seen: lines as they are, others by their kind and message. */
  function follow(t: TestContext, files: string | string[], hops: readonly Hop[], options = {}) {
    const following = on(name, hops as never).follow(files, options);
    const seen: Seen[] = [];
    following.subscribe((each) => seen.push(each));
    t.after(() => following.stop());
    const said = () =>
      seen.map(({ change, row, message }) => row?.["line"] ?? (change === "noted" ? message : change));
    return {
      seen,
      said,
      until: (line: string) => until(line, () => said().includes(line), { saw: () => JSON.stringify(seen) }),
      stop: async () => {
        following.stop();
        await following;
        // What was killed may be seen for a moment.
        await gone();
        assert.equal(session.watches.size, 0);
      },
    };
  }

  for (const reached of ["over the shell", "through the agent", "as another user"])
    test(`${reached}, from their newest lines on, until it is stopped`, async (t) => {
      if (reached === "through the agent") {
        assertOk(await rigged.deploy([prop("cmd.single", "true")]));
        await rigged.arrived();
      }
      const hops = {
        "over the shell": [rigged.ssh()],
        "through the agent": [rigged.ssh(), via.agent()],
        "as another user": [rigged.ssh("admin"), via.sudo()],
      }[reached] as readonly Hop[];
      await run("seq 1 100 >'a log'; printf 'one\\ntwo' >other");
      const { said, until, stop, seen } = follow(t, "/var/log/a log", hops, { lines: 2 });
      await until("100");
      await run("printf 'be' >>'a log'");
      await run("printf 'gun\\r\\n\\033[31mred\\n' >>'a log'");
      await until("␛[31mred");
      assert.deepEqual(said(), ["99", "100", "begun", "␛[31mred"]);
      assert.deepEqual(seen.map(({ host, change, row }) => [host, change, row?.["path"]])[0], [
        name,
        "new",
        "/var/log/a log",
      ]);
      assert.match(await left(), /follow/);
      await stop();
    });

  test("through rotation and truncation, without a gap", async (t) => {
    await run("echo old >log");
    const { said, until, stop } = follow(t, "/var/log/log", [rigged.ssh()]);
    await until("old");
    // As logrotate does, with a writer that has the old file open for a moment.
    await run("exec 5>>log; echo before >>log; mv log log.1; echo first >log; echo late >&5");
    await until("first");
    assert.deepEqual(said(), [
      "old",
      "before",
      "late",
      "/var/log/log was replaced; following the new one",
      "first",
    ]);
    await run("cp log log.2; : >log");
    await until("/var/log/log was truncated; following it from its beginning");
    await run("echo again >>log; rm log");
    await until("again");
    await run("echo anew >log");
    await until("anew");
    assert.deepEqual(said().slice(5), [
      "/var/log/log was truncated; following it from its beginning",
      "again",
      "/var/log/log was replaced; following the new one",
      "anew",
    ]);
    await stop();
  });

  test("that do not exist yet, several together, and only lines that match", async (t) => {
    await run("rm -f later; echo 'GET /a 200' >access");
    const files = ["/var/log/later", "/var/log/access"];
    const { said, until, stop } = follow(t, files, [rigged.ssh()], { grep: " (200|500)$" });
    await until("GET /a 200");
    await until("/var/log/later does not exist; waiting for it");
    await run("echo 'GET /b 404' >>access; echo 'GET /c 500' >>access");
    await until("GET /c 500");
    await run("echo 'born 200' >later");
    await until("born 200");
    assert.deepEqual(
      said().filter((each) => each !== "/var/log/later does not exist; waiting for it"),
      ["GET /a 200", "GET /c 500", "born 200"],
    );
    await stop();
  });

  test("a link that is lost is opened again, and goes on at the same byte, also in a file that was rotated", async (t) => {
    const proxy = await rigged.proxy();
    await run("rm -f log log.*; : >quiet; echo one >log");
    const {
      said,
      seen,
      until: came,
      stop,
    } = follow(t, ["/var/log/log", "/var/log/quiet"], [rigged.ssh("root", proxy)]);
    await came("one");
    const losses = () => said().filter((each) => each === "lost").length;
    const cut = async (meanwhile: string) => {
      const before = losses();
      proxy.cut("refuse");
      await until("the loss", () => losses() > before, { saw: () => JSON.stringify(seen) });
      await gone();
      await run(meanwhile);
      proxy.restore();
    };
    await cut("printf 'two\\nthr' >>log");
    await came("two");
    await cut("echo ee >>log; mv log log.1; echo four >log");
    await came("four");
    assert.deepEqual(said(), [
      ...["one", "lost", "back", "two", "lost", "back", "three"],
      "/var/log/log was replaced; following the new one",
      "four",
    ]);
    await cut("echo unseen >>log; mv log log.1; gzip -f log.1; echo five >log");
    await came("five");
    await cut(": >log; echo 6 >log");
    await came("6");
    assert.deepEqual(said().slice(9), [
      ...["lost", "back"],
      "lines may be missing here: /var/log/log was replaced meanwhile, and what it was before is not in its directory",
      ...["five", "lost", "back", "/var/log/log was truncated; following it from its beginning", "6"],
    ]);
    await cut("echo 7 >>log; mv log log.2; sleep 0.1; echo unseen >log; mv log log.1; echo 8 >log");
    await came("8");
    assert.deepEqual(said().slice(-4), [
      "back",
      "7",
      "lines may be missing here: /var/log/log was replaced more than once meanwhile",
      "8",
    ]);
    await stop();
  });

  test("what cannot be followed is said", async (t) => {
    const directory = follow(t, "/var/log", [rigged.ssh()]);
    await directory.until("lost");
    assert.equal(directory.seen.at(-1)?.message, "/var/log is a directory");
    await run("echo x >secret; chmod 600 secret");
    const unreadable = follow(t, "/var/log/secret", [rigged.ssh("admin")]);
    await unreadable.until("lost");
    assert.equal(unreadable.seen.at(-1)?.message, "/var/log/secret cannot be read by this user");
    const there = on(name, rigged.ssh());
    const refused = (act: () => unknown, message: string) =>
      assert.throws(act, { name: "InvalidArguments", message });
    refused(
      () => there.follow("log"),
      'follow: expected absolute paths, such as "/var/log/syslog"; got "log"',
    );
    refused(() => there.follow([]), "follow: 0 files are given; from one to 5 can be followed together");
    refused(
      () => there.follow("/var/log/log", { grep: "(", lines: -1 }),
      "follow: grep is no regular expression of JavaScript: (; lines is -1; it is a number of lines, at least 0",
    );
  });
});
