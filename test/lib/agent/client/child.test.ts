/** Workers in narrower contexts: what they know, what they can access, and what they leave behind. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eseqprops, seqprops } from "../../../../lib/combinators";
import { session } from "../../../../lib/controller/session";
import { registerDataSource } from "../../../../lib/data/register";
import { dataSources } from "../../../../lib/model/data-source";
import type { Report } from "../../../../lib/model/report";
import { as, deploysThese, reconnects } from "../../../../lib/nested/deploys";
import * as via from "../../../../lib/via";
import { promised } from "../../../support/load";
import { needsMachines } from "../../../support/machines";
import { outline } from "../../../support/outline";
import { changedPaths, ownCaches, snapshot } from "../../../support/snapshot";
import { until } from "../../../support/until";
import { assertOk, eventsOf, prop, type Rig } from "../_rig";
import { disguised, rigWithChroot, type Seen, seenIn } from "../_spy";

/** Words in an instruction of the outer deployment, and in the name of data that only it needs. */
const INSTRUCTION = ["outer", "instruction", "7c1e"].join("-");
const DATA = ["outer", "data", "a40b"].join("-");

const ALL = Boolean(process.env["CONSFIGURATOR_TEST_ALL"]);

describe("narrower contexts", needsMachines(), () => {
  let rig: Rig;
  before(async () => {
    rig = await rigWithChroot();
    const refresh = session.consfig?.refresh();
    if (refresh?.error) throw refresh.error;
    // Creates the agent, and the files of a first login.
    assertOk(await rig.deploy([as("plain", runs("true")), inChroot(runs("true"))]));
  });
  after(() => rig?.stop());

  const runs = (script: string) => prop("probe.runs", script);
  const looks = () => prop("spy.looks", disguised(INSTRUCTION), disguised(DATA));
  const inChroot = (...inside: Parameters<typeof seqprops>) => reconnects(via.chroot("/srv/c"), ...inside);

  /** Remaining processes and mounts. */
  const leftovers = async () => ({
    processes: await settled(rig),
    mounts: await rig.machine.run("sort /proc/1/mounts"),
  });

  describe("what they know", () => {
    let outside: Seen;
    let user: Seen;
    let root: Seen;
    let inner: Seen;
    before(async () => {
      registerDataSource({ name: "anything", version: () => 1, get: () => "data" });
      const report = await rig.deploy([
        runs(`echo ${INSTRUCTION}`),
        prop("spy.needs", DATA),
        looks(),
        as("plain", looks()),
        inChroot(looks(), as("plain", looks())),
      ]);
      assertOk(report);
      [outside, user, root, inner] = seenIn(report) as [Seen, Seen, Seen, Seen];
    });

    after(() => dataSources.restore(new Map()));

    test("the outer worker knows its instructions: the search does find them", () => {
      assert.deepEqual(outside.found, [true, true]);
      assert.ok(outside.open.length > 5);
      assert.ok(outside.sockets.length > 0);
    });

    test("each has the right user and directory", () => {
      assert.deepEqual(
        [user, root, inner].map((seen) => [seen.uid, seen.user, seen.cwd]),
        [
          [1001, "plain", "/home/plain"],
          [0, "root", "/root"],
          [1001, "plain", "/home/plain"],
        ],
      );
    });

    test("not the outer instructions: neither in memory, nor in command lines or environments", () => {
      for (const seen of [user, root, inner])
        assert.deepEqual([seen.found, seen.exposed], [[false, false], false]);
    });

    test("nor the memory, environment or descriptors of other processes", () => {
      for (const seen of [user, root, inner]) assert.deepEqual([seen.open, seen.listed], [[], []]);
    });

    test("in the chroot no other processes at all", () => {
      assert.deepEqual([root.pids, inner.pids], [1, 2]);
    });

    test("nor files of the agent, open or by path, nor its sockets", () => {
      for (const seen of [user, root, inner])
        assert.deepEqual([seen.descriptors, seen.caches, seen.sockets], [[], [], []]);
    });

    test("the environment is that of a login", () => {
      const login = ["CONSFIGURATOR_CHILD", "HOME", "LOGNAME", "PATH", "SHELL", "USER"];
      for (const seen of [user, inner]) assert.deepEqual(seen.variables, login);
      assert.deepEqual(
        root.variables.filter((name) => !["PWD", "OLDPWD"].includes(name)),
        login,
      );
    });

    test("of prerequisite data only what they need; other facts of the host are visible to all", () => {
      for (const seen of [user, root, inner]) {
        assert.equal(seen.facts.attributes["data"]?.length ?? 0, 0);
        assert.deepEqual(seen.facts.attributes["spy/fact"], ["known to all"]);
      }
    });
  });

  describe("what they can do", () => {
    test("not widen their context", async () => {
      const report = await rig.deploy([
        seqprops(
          as("plain", reconnects(via.as("root"), runs("id"))),
          as("plain", reconnects(via.chroot("/srv/c"), runs("id"))),
        ),
      ]);
      assert.deepEqual(outline(report.steps), [
        "failed as plain (a step inside it failed)",
        "  failed through via.as('root'): AbortedChange: via.as('root'): needs root, but the agent runs as plain; add via.sudo() before via.agent()",
        "failed as plain (a step inside it failed)",
        "  failed through via.chroot('/srv/c'): AbortedChange: via.chroot('/srv/c'): needs root; add via.sudo() before it",
      ]);
    });

    test("root in a chroot cannot reach the tree outside", async () => {
      const report = await rig.deploy([
        inChroot(
          runs(
            "cat /proc/self/mountinfo | cut -d' ' -f5 | grep -v '^/\\(proc\\|sys\\|dev\\|run\\|tmp\\)' ; touch /proc/tty/ldisc/boot.js 2>&1; touch /proc/tty/ldisc/trees/*/tree.json 2>&1; true",
          ),
        ),
      ]);
      assertOk(report);
      const output = report.steps.at(-1)?.output ?? "";
      assert.equal(output.split("\n")[0], "/");
      assert.equal(output.match(/Read-only file system/g)?.length, 2, output);
    });

    test("a nested failure is in the report, with the line of the consfig", async () => {
      const report = await rig.deploy([
        seqprops(inChroot(as("plain", prop("probe.fails"), runs("echo never"))), runs("echo on")),
      ]);
      assert.deepEqual(outline(report.steps), [
        "failed through via.chroot('/srv/c') (a step inside it failed)",
        "  failed as plain (a step inside it failed)",
        "    failed probe.fails({}): FailedChange: on purpose",
        "    skipped echo never (probe.fails failed)",
        "changed echo on",
      ]);
      const [failed] = report.failed;
      const line = readFileSync(`${rig.consfig}/properties/probe.ts`, "utf8")
        .split("\n")
        .findIndex((text) => text.includes("on purpose"));
      assert.match(
        failed?.failure?.stack ?? "",
        new RegExp(`^ *at apply \\(properties/probe\\.ts:${line + 1}:\\d+\\)`),
      );
      assert.match(failed?.site ?? "", /_rig\.ts:\d+:\d+$/);
    });

    test("output is streamed through every level", async () => {
      const deployment = rig.deploy([inChroot(as("plain", runs("echo one; sleep 1.5; echo two")))]);
      const at = new Map<string, number>();
      deployment.subscribe((event) => {
        if (event.kind === "step-output") at.set(event.text.trim(), performance.now());
      });
      assertOk(await deployment);
      assert.ok((at.get("two") ?? 0) - (at.get("one") ?? 0) > 1000);
    });

    test("atEnd actions run at the end of each nested deployment", async () => {
      const report = await rig.deploy([
        prop("spy.atEnd", "outer"),
        as("plain", prop("spy.atEnd", "inner"), runs("echo inside")),
        runs("echo outside"),
      ]);
      assertOk(report);
      assert.deepEqual(
        report.steps.map(({ desc, output }) => `${desc}${output && `: ${output.trim()}`}`),
        [
          "outer later",
          "as plain",
          "inner later",
          "echo inside: inside",
          "at the end: inner as plain",
          "echo outside: outside",
          "at the end: outer as root",
        ],
      );
    });
  });

  describe("what they leave behind", () => {
    test("nothing: no process, no mount, no file", async () => {
      const earlier = await snapshot(rig.machine, { except: ownCaches });
      const left = await leftovers();
      assertOk(
        await rig.deploy([as("plain", runs("true")), inChroot(runs("true"), as("plain", runs("true")))]),
      );
      assert.deepEqual(await leftovers(), left);
      assert.deepEqual(changedPaths(earlier, await snapshot(rig.machine, { except: ownCaches })), []);
      assert.deepEqual(
        await rig.machine.run("ls /run/consfigurator 2>&1 || true"),
        "ls: cannot access '/run/consfigurator': No such file or directory\n",
      );
    });

    for (const signal of ["stop", "cancel"] as const)
      test(`${signal} reaches the innermost worker`, async () => {
        const left = await leftovers();
        const deployment = rig.deploy([
          inChroot(
            as(
              "plain",
              runs(`echo begun; sleep ${signal === "stop" ? 1 : 3}; echo over`),
              runs("echo never"),
            ),
          ),
          runs("echo never"),
        ]);
        await begun(deployment);
        const inTime = promised(2.5, "a cancel of the innermost worker");
        deployment[signal]();
        const report = await deployment;
        if (signal === "cancel") inTime();
        const sleeper = report.steps[2];
        assert.equal(report.status, "cancelled");
        assert.equal(sleeper?.status, signal === "stop" ? "changed" : "failed");
        assert.deepEqual(
          report.skipped.map(({ desc, reason }) => [desc, reason]),
          ["echo never", "echo never"].map((desc) => [
            desc,
            signal === "stop" ? "the deployment was stopped" : "the deployment was cancelled",
          ]),
        );
        assert.deepEqual(await leftovers(), left);
      });

    test("nothing after one of them was killed", async () => {
      const left = await leftovers();
      const asUser = as("plain", runs(SLEEPS));
      const cases = [
        ...["child worker", ...(ALL ? ["worker"] : [])].map((name) => [name, asUser] as const),
        ...["inner child worker", "unshare", "worker", ...(ALL ? ["child worker"] : [])].map(
          (name) => [name, inChroot(asUser)] as const,
        ),
      ];
      for (const [name, nested] of cases) {
        const deployment = rig.deploy([eseqprops(nested, runs("true"))]);
        await begun(deployment);
        await sleep(Math.random() * 300);
        await rig.machine.run(`pkill -9 ${PROCESSES[name]}`);
        const report = await deployment;
        assert.equal(report.ok, false, `${name}: ${JSON.stringify(report.steps)}`);
        assert.match(describeFailures(report), /killed/, name);
        assert.deepEqual(await leftovers(), left, `after ${name} was killed`);
      }
      // Later deployments work as usual.
      assertOk(await rig.deploy([as("plain", runs("true")), inChroot(runs("true"))]));
    });

    test("nor after one of them was killed while it starts or exits", async () => {
      const left = await leftovers();
      for (const name of ["child worker", "unshare", "inner child worker"]) {
        const deployment = rig.deploy([
          inChroot(as("plain", runs("sleep 0.1"))),
          as("plain", runs("sleep 0.1")),
        ]);
        await sleep(100 + Math.random() * 900);
        await rig.machine.exec(`pkill -9 ${PROCESSES[name]}`);
        const report = await deployment;
        if (!report.ok) assert.match(describeFailures(report), /killed|exited at startup \(SIGKILL\)/);
        assert.deepEqual(await leftovers(), left, `after ${name} was killed`);
      }
    });

    for (const role of ["relay", "supervisor"] as const)
      test(`and the deployment continues when the ${role} is killed`, async () => {
        const left = await leftovers();
        const deployment = rig.deploy([inChroot(as("plain", runs("echo begun; sleep 1; echo over")))]);
        await begun(deployment);
        for (const pid of await rig.pids(role)) await rig.machine.exec(`kill -9 ${pid}`);
        const report = await deployment;
        assertOk(report);
        assert.equal(report.steps.at(-1)?.output, "begun\nover\n");
        assert.deepEqual(await leftovers(), left);
      });
  });

  test("a chroot without /proc cannot run a worker, and a shell is used", async () => {
    await rig.machine.run(
      "mkdir -p /srv/bare/usr/lib /srv/bare/root && cp -a /bin /sbin /lib /lib64 /srv/bare && cp -a /usr/bin /usr/sbin /usr/lib64 /srv/bare/usr && cp -a /usr/lib/x86_64-linux-gnu /srv/bare/usr/lib",
    );
    const report = await rig.deploy([
      seqprops(
        reconnects(via.chroot("/srv/bare"), runs("ls -d /proc 2>&1; echo here")),
        reconnects(via.chroot("/srv/bare"), prop("probe.process_")),
      ),
    ]);
    assert.match(report.steps[1]?.output ?? "", /here\n$/);
    assert.equal(
      report.steps[2]?.failure?.message,
      "via.chroot('/srv/bare'): the agent cannot start a worker behind it: /srv/bare has no directory /proc",
    );
    assert.equal(await rig.machine.run("ls -A /srv/bare | tr '\\n' ' '"), "bin lib lib64 root sbin usr ");
  });

  test("an unreachable host fails one step", async () => {
    const report = await rig.deploy([
      seqprops(
        deploysThese("nowhere.example.org", via.ssh({ hop: "127.0.0.1", port: 1 }), runs("true")),
        runs("echo on"),
      ),
    ]);
    assert.deepEqual(
      report.steps.map(({ status }) => status),
      ["failed", "changed"],
    );
    assert.match(report.failed[0]?.failure?.message ?? "", /^via\.ssh\(.*127\.0\.0\.1/);
  });
});

/** A script that runs longer than the test, with a background process that would outlive it. */
const SLEEPS = "echo begun; sleep 77 & sleep 77; wait";
/** The pkill(1) arguments for each process. */
const PROCESSES: Readonly<Record<string, string>> = {
  "child worker": "-o -f '^/proc/tty/ldisc/node .*child-worker.js'",
  "inner child worker": "-n -f '^/proc/tty/ldisc/node .*child-worker.js'",
  unshare: "-f '^unshare --mount'",
  worker: "-n -f '[l]ib/worker/worker.js'",
};

const describeFailures = (report: Report): string =>
  [report.failure?.message, ...report.failed.map(({ failure }) => failure?.message)].join("\n");

async function begun(deployment: Parameters<typeof eventsOf>[0]): Promise<void> {
  const events = eventsOf(deployment);
  await until("the innermost step has started", () =>
    events.some((event) => event.kind === "step-output" && event.text.includes("begun")),
  );
}

/** The processes on the machine after all workers have exited, without those of the agent and the connection. */
async function settled(rig: Rig): Promise<string> {
  let now = "";
  await until(
    "workers and their commands exit",
    async () => {
      now = await rig.machine.run("ps axo user,args --no-headers | sort");
      return !/sleep|child-worker|unshare/.test(now);
    },
    15,
  ).catch(() => {});
  return now
    .split("\n")
    .filter(
      (line) =>
        !/consfigurator\/agent|ps axo|sort$|sshd|sd-pam|systemd --user|nsenter|sh -c cd;|\[/.test(line),
    )
    .join("\n");
}
