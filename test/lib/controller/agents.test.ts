import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { agents, forgetAgent, rememberAgent, removeAgent, stopAgent } from "../../../lib/controller/agents";
import { deploy } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { defhost } from "../../../lib/model/host";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { changedPaths, type Snapshot, snapshot } from "../../support/snapshot";
import { until } from "../../support/until";
import { assertOk, prop, type Rig, rig, selfIn } from "../agent/_rig";

test("a list that cannot be written fails no deployment", (t) => {
  const { XDG_STATE_HOME } = process.env;
  t.after(() => {
    if (XDG_STATE_HOME === undefined) delete process.env["XDG_STATE_HOME"];
    else process.env["XDG_STATE_HOME"] = XDG_STATE_HOME;
  });
  process.env["XDG_STATE_HOME"] = "/dev/null";
  rememberAgent("web1.example.org", [via.ssh(), via.agent()]);
});

describe("agents", needsMachines(), () => {
  let on: Rig;
  let untouched: Snapshot;
  const web1 = "web1.example.org";
  const exists = (file: string) => existsSync(path.join(on.machine.root, file));
  before(async () => {
    on = await rig();
    // The first login of a user leaves files, with or without an agent.
    assertOk(await on.deploy([prop("probe.runs", "true")], [on.ssh()]));
    untouched = await snapshot(on.machine);
    assertOk(await on.deploy([prop("probe.process_")]));
  });
  after(() => on?.stop());

  test("a connected one reports its status", async () => {
    const [supervisor = 0] = await on.pids("supervisor");
    const [info, ...others] = await agents();
    assert.deepEqual(others, []);
    assert.equal(info?.host, web1);
    assert.equal(info.hops.at(-1), "via.agent()");
    const { status } = info;
    assert.ok(status);
    assert.equal(status.pid, supervisor);
    assert.match(status.node, /^v24\./);
    assert.match(status.boot, /^[0-9a-f]{32}$/);
    assert.ok(Math.abs(Date.now() - status.startedAt) < 60_000);
    assert.deepEqual(status.running, []);
    await until("the spare", async () => (await agents())[0]?.status?.spare === true);
  });

  test("many simultaneous requests are each answered", async () => {
    const answers = await Promise.all([agents(), agents(), agents(), agents()]);
    assert.equal(new Set(answers.map(([info]) => info?.status?.pid)).size, 1);
    const deployment = on.deploy([prop("probe.runs", "touch /srv/asked; sleep 0.5")]);
    await until("the step", () => exists("srv/asked"));
    const [info] = await agents();
    assert.deepEqual(
      info?.status?.running.map(({ by }) => by.includes("@")),
      [true],
    );
    assertOk(await deployment);
  });

  test("one whose host is gone can be forgotten", async () => {
    rememberAgent("gone.example.org", [via.ssh(), via.agent()]);
    assert.deepEqual(
      (await agents()).map(({ host }) => host),
      ["gone.example.org", web1],
    );
    await forgetAgent("gone.example.org");
    await assert.rejects(forgetAgent("gone.example.org"), {
      message: `no agent is known on "gone.example.org"; there are agents on ${web1}`,
    });
    await assert.rejects(forgetAgent(web1), {
      message: `${web1} is still connected; stop or remove its agent instead`,
    });
  });

  test("one that is not connected is listed, without connecting", async () => {
    await session.connections.close();
    const [info] = await agents();
    assert.deepEqual([info?.host, info?.status], [web1, undefined]);
    assert.equal(session.connections.open().length, 0);
  });

  test("an unknown one is refused, naming the known ones", async () => {
    await assert.rejects(stopAgent("web7.example.org"), {
      name: "ConsfigError",
      message: 'no agent is known on "web7.example.org"; there are agents on web1.example.org',
    });
  });

  test("a stopped one exits, and is started again when needed", async () => {
    await stopAgent(web1);
    const processes = async () => [...(await on.pids("supervisor")), ...(await on.pids("worker"))];
    await until("no process of it", async () => (await processes()).length === 0);
    selfIn(await on.deploy([prop("probe.process_")]));
  });

  test("one is not removed while a deployment runs", async () => {
    const deployment = on.deploy([prop("probe.runs", "touch /srv/runs; sleep 0.5")]);
    await until("the step", () => exists("srv/runs"));
    await assert.rejects(removeAgent(web1), {
      name: "FailedChange",
      message:
        /^deployment [0-9a-f]{12} by \S+ is running on web1\.example\.org; remove the agent when it has finished$/,
    });
    assertOk(await deployment);
  });

  test("a removed one leaves neither files nor processes", async () => {
    assertOk(await on.deploy([prop("probe.runs", "rm -rf /srv/*")]));
    await removeAgent(web1);
    await session.connections.close();
    await until(
      "no process of it",
      async () => !(await on.machine.run("ps -eo args")).includes("consfigurator"),
    );
    const touched = ["/srv", "/root"];
    assert.deepEqual(
      changedPaths(untouched, await snapshot(on.machine)).filter((name) => !touched.includes(name)),
      [],
    );
    assert.equal(await on.machine.run("find /tmp /run /dev/shm /var/tmp -name '*consfig*'"), "");
    assert.deepEqual(await agents(), []);
  });

  test("one exits after it has been idle for a while", async () => {
    await on.machine.run("echo CONSFIGURATOR_AGENT_IDLE_MS=700 >>/etc/environment");
    selfIn(await on.deploy([prop("probe.process_")]));
    await until("the spare", async () => (await on.pids("worker")).length === 1);
    await sleep(1500);
    assert.equal((await on.pids("supervisor")).length, 1, "it stays as long as somebody is connected");
    await session.connections.close();
    await until("its end", async () => (await on.pids("supervisor")).length === 0);
    await until("the spare's end", async () => (await on.pids("worker")).length === 0);
    assert.equal(await on.machine.run("ls /root/.cache/consfigurator/agent/run"), "lock\n");
    await on.machine.run("sed -i /CONSFIGURATOR/d /etc/environment");
    selfIn(await on.deploy([prop("probe.process_")]));
  });

  test("several hosts are deployed in parallel and independently", async () => {
    const hosts = [
      defhost("rooted.example.org", { deploy: [on.ssh("root"), via.agent()] }, prop("probe.process_")),
      defhost("plain.example.org", { deploy: [on.ssh("plain"), via.agent()] }, prop("probe.process_")),
      defhost("admin.example.org", { deploy: [on.ssh("admin"), via.agent()] }, prop("probe.fails")),
      defhost(
        "gone.example.org",
        { deploy: [via.ssh({ user: "root", hop: "127.0.0.1", port: 1 }), via.agent()] },
        prop("probe.process_"),
      ),
      defhost("refused.example.org", { deploy: [on.ssh()] }, prop("probe.process_")),
    ];
    const fleet = await deploy(hosts);
    assert.deepEqual(
      fleet.reports.map(({ host, status }) => [host, status]),
      [
        ["rooted.example.org", "changed"],
        ["plain.example.org", "changed"],
        ["admin.example.org", "failed"],
        ["gone.example.org", "failed"],
        ["refused.example.org", "refused"],
      ],
    );
    assert.equal(fleet.reports[2]?.failed[0]?.failure?.message, "on purpose");
    assert.match(fleet.reports[3]?.failure?.message ?? "", /^via\.ssh\(.*(ECONNREFUSED|refused)/);
    assert.match(fleet.reports[4]?.failure?.message ?? "", /needs an agent on the host; add via\.agent\(\)/);
    assert.equal(fleet.ok, false);
  });

  test("an idle one is small, and stays so", async (t) => {
    const megabytes = async (pid: number) => {
      const rollup = await on.machine.run(`cat /proc/${pid}/smaps_rollup`);
      const of = (name: string) =>
        Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(rollup)?.[1] ?? 0) / 1024;
      return { rss: of("Rss"), pss: of("Pss") };
    };
    const memory = async () => {
      await until("the spare", async () => {
        const infos = await agents();
        return infos.find(({ host }) => host === web1)?.status?.spare === true;
      });
      await sleep(500);
      const [supervisor = 0] = (await on.machine.run("pgrep -u root -f 'boot.*superviso[r]'")).split("\n");
      const [spare = 0] = (await on.machine.run(`pgrep -P ${supervisor}`)).split("\n");
      return { supervisor: await megabytes(Number(supervisor)), spare: await megabytes(Number(spare)) };
    };
    const several = async (times: number) => {
      for (let i = 0; i < times; i++) assertOk(await on.deploy([prop("file.hasContent", "/srv/same", "x")]));
      return memory();
    };
    const early = await several(10);
    const late = await several(30);
    const shown = (of: typeof early) =>
      Object.entries(of)
        .map(([name, { rss, pss }]) => `${name} ${rss.toFixed(0)} MB RSS, ${pss.toFixed(0)} MB PSS`)
        .join("; ");
    t.diagnostic(`after 10 deployments: ${shown(early)}`);
    t.diagnostic(`after 40: ${shown(late)}`);
    assert.ok(late.supervisor.pss + late.spare.pss < 120, shown(late));
    assert.ok(late.supervisor.rss - early.supervisor.rss < 10, `${shown(early)}\n${shown(late)}`);
  });
});
