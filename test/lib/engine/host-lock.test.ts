/** One deployment at a time on a host, however it comes there, and how the lock of a host ends. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { within } from "../../../lib/combinators";
import type { Deployment } from "../../../lib/controller/deployment";
import { session } from "../../../lib/controller/session";
import type { Hop } from "../../../lib/model/hop";
import { HOLDS } from "../../../lib/model/host-lock";
import type { Report } from "../../../lib/model/report";
import { as, reconnects } from "../../../lib/nested/deploys";
import * as via from "../../../lib/via";
import { promised } from "../../support/load";
import { needsMachines } from "../../support/machines";
import { until } from "../../support/until";
import { assertOk, eventsOf, prop, type Rig, rig } from "../agent/_rig";

/**
 * `deployment ID by USER, as ACCOUNT, has held the host since TIME; waiting for it to finish`, and what root can do about
 * another user's.
 */
const waitsFor = (account: string, asRoot: boolean): RegExp =>
  new RegExp(
    `^deployment [0-9a-f]{12} by \\S+@\\S+, as ${account}, has held the host since 20\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ; waiting for it to finish${
      asRoot && account !== "root"
        ? "; as root, `kill (\\d+)` frees the host, and that deployment may go on beside this one"
        : ""
    }$`,
  );

/** `properties/keeps.ts` of the consfig: a step that has a temporary file until its link is cut. */
const keeps = `import { defprop, schema } from "consfigurator";

export const temporary = defprop({
  name: "keeps.temporary",
  kind: "posix",
  args: schema.object({ directory: schema.string() }),
  call: (directory: string) => ({ directory }),
  apply: async ({ directory }, target) => {
    const options = directory === "" ? {} : { directory };
    await target.withTemporaryDirectory(async (path) => {
      await target.run("touch " + path + "/inside /srv/x/begun; sleep 600");
    }, options);
    return "changed";
  },
});
`;

describe("the lock of a host", needsMachines(), () => {
  let on: Rig;
  let ways: Record<string, readonly Hop[]>;
  before(async () => {
    on = await rig();
    on.write({ "properties/keeps.ts": keeps });
    assert.equal(session.consfig?.refresh().error, undefined);
    ways = {
      "root over a shell": [on.ssh()],
      "a user over a shell": [on.ssh("admin")],
      "root with sudo over a shell": [on.ssh("admin"), via.sudo()],
      "root through an agent": [on.ssh(), via.agent()],
      "a user through an agent": [on.ssh("admin"), via.agent()],
    };
    for (const hops of Object.values(ways)) assertOk(await on.deploy([prop("probe.runs", "true")], hops));
  });
  beforeEach(() =>
    on.machine.run("rm -rf /srv/*; mkdir -m 1777 /srv/x; : >/srv/x/log; chmod 666 /srv/x/log"),
  );
  after(() => on?.stop());

  const file = (name: string) => path.join(on.machine.root, "srv/x", name);
  const exists = (name: string) => existsSync(file(name));
  const runs = (script: string) => prop("probe.runs", script);
  const hopsOf = (way: string) => ways[way] ?? [];
  /** A deployment that holds the host until the file `go` is there. */
  const holding = async (way: string): Promise<{ readonly report: Deployment<Report> }> => {
    const deployment = on.deploy(
      [runs("touch /srv/x/begun; until [ -e /srv/x/go ]; do sleep 0.05; done")],
      hopsOf(way),
    );
    await until("the holder's step", () => exists("begun"));
    return { report: deployment };
  };
  const go = () => on.machine.run("touch /srv/x/go");
  const reasonsOf = (deployment: Deployment<Report>): string[] => {
    const reasons: string[] = [];
    deployment.subscribe((event) => event.kind === "waiting" && reasons.push(event.reason));
    return reasons;
  };
  const processes = async (name: string) =>
    (await on.machine.run("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' || true"))
      .split("\n")
      .filter((line) => line === name).length;

  test("deployments of all kinds and users, at once, run one after the other", async () => {
    const script = "echo + >>/srv/x/log; sleep 0.2; echo - >>/srv/x/log";
    const deployments = Object.values(ways).flatMap((hops) => [
      on.deploy([runs(script)], hops),
      on.deploy([runs(script)], hops),
    ]);
    for (const report of await Promise.all(deployments)) assertOk(report);
    assert.equal(readFileSync(file("log"), "utf8"), "+\n-\n".repeat(10));
    await until("no holder", async () => (await processes(HOLDS)) === 0);
  });

  for (const [held, waiting, account] of [
    ["root through an agent", "a user over a shell", "root"],
    ["a user over a shell", "root through an agent", "admin"],
    ["root over a shell", "root with sudo over a shell", "root"],
    ["a user through an agent", "root over a shell", "admin"],
  ] as const) {
    test(`${waiting} is told that ${held} has held the host; stop and cancel end its wait`, async () => {
      const holder = await holding(held);
      const waits = async () => {
        const inTime = promised(2, "the reason of a wait");
        const deployment = on.deploy([runs("touch /srv/x/done")], hopsOf(waiting));
        const reasons = reasonsOf(deployment);
        await until("the reason", () => reasons.length > 0);
        inTime();
        assert.match(reasons[0] ?? "", waitsFor(account, waiting.startsWith("root")));
        return { deployment, reasons };
      };
      for (const how of ["stop", "cancel"] as const) {
        const { deployment } = await waits();
        const inTime = promised(2, `a ${how} of a wait`);
        deployment[how]();
        const report = await deployment;
        inTime();
        assert.deepEqual(
          [report.status, report.failure?.message],
          ["cancelled", how === "stop" ? "the deployment was stopped" : "the deployment was cancelled"],
        );
        await until(
          "nobody waits on the host",
          async () => (await on.machine.exec("pgrep -x flock")).exit === 1,
        );
      }
      const { deployment, reasons } = await waits();
      assert.equal(exists("done"), false);
      await go();
      for (const each of [holder.report, deployment]) assertOk(await each);
      assert.equal(reasons.length, 1);
    });
  }

  test("a time limit does not count the wait", async () => {
    const holder = await holding("root through an agent");
    const deployment = on.deploy([within("2 s", runs("touch /srv/x/done"))], hopsOf("a user over a shell"));
    const reasons = reasonsOf(deployment);
    await until("the reason", () => reasons.length > 0);
    const since = performance.now();
    await until("more than the limit", () => performance.now() - since > 2500);
    await go();
    for (const each of [holder.report, deployment]) assertOk(await each);
  });

  test("a controller that is killed lets go of the host", async () => {
    const other = on.bareController(["probe.runs", "touch /srv/x/begun; sleep 600"]);
    other.report.catch(() => {});
    await until("its step", () => exists("begun"));
    const waiting = on.deploy([runs("touch /srv/x/done")], hopsOf("root through an agent"));
    const reasons = reasonsOf(waiting);
    await until("the reason", () => reasons.length > 0);
    other.process.kill("SIGKILL");
    assertOk(await waiting);
    await on.machine.run("pkill -x sleep");
  });

  test("a link that is cut lets go of the host, also when nobody is told", async () => {
    process.env["CONSFIGURATOR_LINK_SILENCE_MS"] = "4000";
    const proxy = await on.proxy();
    try {
      for (const cut of [() => proxy.cut("refuse"), () => proxy.freeze()]) {
        const lost = on.deploy([runs("touch /srv/x/begun; sleep 600")], [on.ssh("root", proxy)]);
        await until("its step", () => exists("begun"));
        cut();
        const deployment = on.deploy([runs("touch /srv/x/done")], hopsOf("a user over a shell"));
        assertOk(await deployment);
        assert.equal((await lost).status, "failed");
        proxy.restore();
        await on.machine.run("pkill -x sleep; rm -f /srv/x/begun");
        await until("nothing holds the host", async () => (await processes(HOLDS)) === 0);
      }
    } finally {
      delete process.env["CONSFIGURATOR_LINK_SILENCE_MS"];
      await session.connections.close();
    }
  });

  test("a holder that somebody ends lets go, and the user is told", async () => {
    const holder = await holding("root over a shell");
    const events = eventsOf(holder.report);
    await on.machine.run(`kill -9 $(grep -ls 'consfigurator-hold[s]' /proc/[0-9]*/cmdline | cut -d/ -f3)`);
    await until("a notice", () => events.some(({ kind }) => kind === "notice"));
    assert.deepEqual(
      events.flatMap((event) => (event.kind === "notice" ? [event.text] : [])),
      [
        "the process that held this host for the deployment has ended (exit code 137); another deployment may run beside this one now",
      ],
    );
    assertOk(await on.deploy([runs("touch /srv/x/done")], hopsOf("a user over a shell")));
    await go();
    assertOk(await holder.report);
  });

  test("root frees the host of another user's deployment as it is told to", async () => {
    for (const held of ["a user over a shell", "a user through an agent"]) {
      await on.machine.run("rm -f /srv/x/begun /srv/x/go /srv/x/done");
      const holder = await holding(held);
      const waiting = on.deploy([runs("touch /srv/x/done")], hopsOf("root over a shell"));
      const reasons = reasonsOf(waiting);
      await until("the reason", () => reasons.length > 0);
      const [, pid] = waitsFor("admin", true).exec(reasons[0] ?? "") ?? [];
      assert.ok(pid, reasons[0]);
      await on.machine.run(`kill ${pid}`);
      assertOk(await waiting);
      assert.equal(exists("done"), true);
      await go();
      assertOk(await holder.report);
    }
  });

  test("a worker that is killed lets go when its commands have ended", async () => {
    const holder = on.deploy(
      [runs("trap '' TERM; touch /srv/x/begun; while :; do echo x >>/srv/x/log; sleep 0.05; done")],
      hopsOf("root through an agent"),
    );
    await until("its step", () => exists("begun"));
    const waiting = on.deploy(
      [runs("wc -l </srv/x/log; sleep 0.5; wc -l </srv/x/log")],
      hopsOf("a user over a shell"),
    );
    const reasons = reasonsOf(waiting);
    await until("the reason", () => reasons.length > 0);
    for (const pid of await on.pids("worker")) {
      const busy = await on.machine.exec(`pgrep -P ${pid}`);
      if (busy.stdout !== "") await on.machine.exec(`kill -9 ${pid}`);
    }
    assert.equal((await holder).status, "failed");
    const report = await waiting;
    assertOk(report);
    const [first, second] = (report.steps[0]?.output ?? "").trim().split("\n");
    assert.equal(first, second, "the killed worker's command had ended before");
  });

  test("temporary files of a link that was cut are removed, by their names", async () => {
    const proxy = await on.proxy();
    const cases = [
      { user: "root", directory: "", holder: true },
      { user: "admin", directory: "/home/admin/own", holder: true },
      { user: "admin", directory: "", holder: false },
      { user: "root", directory: "/var/tmp", holder: false },
    ];
    await on.machine.run("mkdir -p own; touch /tmp/consfigurator.0123456789abcdef01", { user: "admin" });
    const left = () =>
      on.machine.run("find /tmp /var/tmp /home/admin/own -name 'consfigurator*' 2>/dev/null | sort || true");
    for (const { user, directory, holder } of cases) {
      const lost = on.deploy([prop("keeps.temporary", directory)], [on.ssh(user, proxy)]);
      await until("its step", () => exists("begun"));
      assert.equal((await left()).split("\n").length, 5, "a file, its record, their directories");
      if (!holder)
        await on.machine.run(
          "kill -9 $(grep -ls 'consfigurator-hold[s]' /proc/[0-9]*/cmdline | cut -d/ -f3)",
        );
      proxy.cut("refuse");
      assert.equal((await lost).status, "failed");
      proxy.restore();
      await on.machine.run("pkill -x sleep; rm -f /srv/x/begun");
      if (!holder) assertOk(await on.deploy([runs("true")], [on.ssh(user)]));
      await until(
        "nothing but what is not recorded",
        async () => (await left()) === "/tmp/consfigurator.0123456789abcdef01\n",
        { saw: () => readdirSync(path.join(on.machine.root, "var/tmp")) },
      );
    }
  });

  test("a deployment nested on the same host does not wait for the one around it", async () => {
    for (const way of Object.keys(ways).filter((name) => name.startsWith("root")))
      assertOk(
        await on.deploy(
          [
            as("plain", runs("echo a >>/srv/x/log")),
            reconnects([via.as("plain"), via.agent()], runs("echo b >>/srv/x/log")),
            reconnects([via.rehome("/srv/x")], runs("echo c >>/srv/x/log")),
            reconnects([via.agent()], runs("echo d >>/srv/x/log")),
          ],
          hopsOf(way),
        ),
      );
    assert.equal(readFileSync(file("log"), "utf8"), "a\nb\nc\nd\n".repeat(3));
  });

  test("nor for one of that user's agent which waits for the host itself", async () => {
    const outer = on.deploy(
      [
        runs("touch /srv/x/begun; until [ -e /srv/x/go ]; do sleep 0.05; done"),
        reconnects([via.as("admin"), via.agent()], runs("echo inner >>/srv/x/log")),
      ],
      hopsOf("root through an agent"),
    );
    await until("the step", () => exists("begun"));
    const waiting = on.deploy([runs("echo later >>/srv/x/log")], hopsOf("a user through an agent"));
    const reasons = reasonsOf(waiting);
    await until("the reason", () => reasons.length > 0);
    await go();
    assertOk(await outer);
    assertOk(await waiting);
    assert.equal(readFileSync(file("log"), "utf8"), "inner\nlater\n");
  });

  test("a process of a user that locks the host is named, with a way to end it", async () => {
    const stranger = on.machine.exec("exec flock / sleep 300", { user: "plain" });
    await until("it", async () => (await on.machine.exec("flock -n / true")).exit === 1);
    for (const way of ["root over a shell", "root through an agent"]) {
      const deployment = on.deploy([runs("touch /srv/x/done")], hopsOf(way));
      const reasons = reasonsOf(deployment);
      await until("the reason", () => reasons.length > 0);
      assert.match(
        reasons[0] ?? "",
        /^flock \(pid \d+, of plain\) has locked the host, and is no deployment; waiting for it to finish; as root, `kill \d+` ends it$/,
      );
      deployment.stop();
      await deployment;
    }
    const user = on.deploy([runs("touch /srv/x/done")], hopsOf("a user over a shell"));
    const reasons = reasonsOf(user);
    await until("the reason", () => reasons.length > 0);
    assert.equal(
      reasons[0],
      "a process that this user cannot see has locked the host; waiting for it to finish; root finds it with `lslocks`",
    );
    await on.machine.run("pkill -x flock; pkill -x sleep");
    await stranger;
    assertOk(await user);
  });

  test("a host without flock(1) is deployed to, with a notice", async () => {
    await on.machine.run("mv /usr/bin/flock /usr/bin/flock.away");
    try {
      for (const way of ["root over a shell", "a user through an agent"]) {
        const deployment = on.deploy([runs("true"), runs("echo")], hopsOf(way));
        const events = eventsOf(deployment);
        assertOk(await deployment);
        assert.deepEqual(
          events.flatMap((event) => (event.kind === "notice" ? [event.text] : [])),
          ["other deployments are not kept off this host while this one runs: it has no flock(1)"],
        );
      }
    } finally {
      await on.machine.run("mv /usr/bin/flock.away /usr/bin/flock");
      rmSync(file("begun"), { force: true });
    }
  });
});
