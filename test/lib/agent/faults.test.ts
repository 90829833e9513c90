import assert from "node:assert/strict";
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { session } from "../../../lib/controller/session";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import type { DelayProxy } from "../../support/proxy";
import { until } from "../../support/until";
import { afterClosing, assertOk, eventsOf, prop, type Rig, rig, selfIn } from "./_rig";

const ALL = Boolean(process.env["CONSFIGURATOR_TEST_ALL"]);

describe("an agent after failures", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    assertOk(await on.deploy([prop("probe.process_")]));
  });
  after(() => on?.stop());

  const exists = (file: string) => existsSync(path.join(on.machine.root, file));
  const inAgent = (...names: string[]) => path.join(on.agent, ...names);
  const kill = async (role: Parameters<Rig["pids"]>[0]) => {
    const pids = await on.pids(role);
    assert.ok(pids.length > 0, `no ${role} to kill`);
    await on.machine.exec(`kill -9 ${pids.join(" ")}`);
  };
  /** Deploys over a new connection, so that a new relay is started. */
  const redeploy = async () => {
    await session.connections.close();
    const deployment = on.deploy([prop("probe.process_")]);
    const events = eventsOf(deployment);
    const report = await deployment;
    const notices = events.flatMap((event) => (event.kind === "notice" ? [event.text] : []));
    return { report, events, notices };
  };

  test("a worker killed during a step: the report shows it, and the next deployment works", async () => {
    const deployment = on.deploy([prop("probe.runs", "echo begun; touch /srv/worker; sleep 5")]);
    await until("the step", async () => (await on.machine.exec("pgrep -fx 'sleep 5'")).exit === 0);
    await kill("worker");
    const report = await deployment;
    assert.equal(report.status, "failed");
    assert.match(
      report.failure?.message ?? "",
      /^the deployment was interrupted on the host: its worker was killed; the commands that it had started were ended: sh \(pid \d+\), sleep \(pid \d+\); deploy again to continue where it stopped$/,
    );
    assert.deepEqual(
      report.steps.map(({ status, output }) => [status, output]),
      [["unfinished", "begun\n"]],
    );
    selfIn(await on.deploy([prop("probe.process_")]));
  });

  test("an idle supervisor that is killed is replaced", async () => {
    const [former] = await on.pids("supervisor");
    await kill("supervisor");
    selfIn(await on.deploy([prop("probe.process_")]));
    const [now] = await on.pids("supervisor");
    assert.ok(now && now !== former);
  });

  test("a supervisor killed during a deployment: it continues, and the next one waits for it", async () => {
    const working = on.deploy([prop("probe.runs", "touch /srv/working; sleep 1.5; touch /srv/worked")]);
    await until("the step", () => exists("srv/working"));
    await kill("supervisor");
    const next = on.deploy([prop("probe.runs", "test -e /srv/worked")]);
    const events = eventsOf(next);
    assertOk(await next);
    assertOk(await working);
    const reasons = events.flatMap((event) => (event.kind === "waiting" ? [event.reason] : []));
    assert.ok(reasons[0]?.includes((await working).deployment), JSON.stringify(reasons));
  });

  test("a supervisor killed while deployments wait: they keep waiting", async () => {
    const working = on.deploy([prop("probe.runs", "touch /srv/w2; sleep 1.2; touch /srv/w2-done")]);
    await until("the step", () => exists("srv/w2"));
    const next = on.deploy([prop("probe.runs", "test -e /srv/w2-done")]);
    const events = eventsOf(next);
    await until("waiting", () => events.some(({ kind }) => kind === "waiting"));
    await kill("supervisor");
    assertOk(await next);
    assertOk(await working);
  });

  test("a relay killed during a deployment: the controller reconnects and loses no event", async () => {
    const deployment = on.deploy([prop("probe.runs", "for i in 1 2 3 4; do echo $i; sleep 0.2; done")]);
    const events = eventsOf(deployment);
    await until("output", () => events.some(({ kind }) => kind === "step-output"));
    await kill("relay");
    const report = await deployment;
    assertOk(report);
    assert.equal(report.steps[0]?.output, "1\n2\n3\n4\n");
  });

  test("a truncated runtime is uploaded again", async () => {
    const [name = ""] = readdirSync(inAgent("runtime")).filter((each) => !/part|lock/.test(each));
    for (const bytes of [60_000_000, ...(ALL ? [5000] : []), 0]) {
      await session.connections.close();
      await kill("supervisor");
      // While a process executes it, it cannot be written to.
      await afterClosing(on.machine, `truncate -s ${bytes} /root/.cache/consfigurator/agent/runtime/${name}`);
      const { report, notices } = await redeploy();
      assertOk(report);
      assert.deepEqual(
        notices,
        [`corrupt files on the host, uploading them again: runtime/${name}`],
        `${bytes} bytes`,
      );
    }
  });

  test("a corrupt boot file is uploaded again", async () => {
    const [name = ""] = readdirSync(inAgent("boot"));
    for (const damage of [
      () => truncateSync(inAgent("boot", name), 1000),
      () => writeFileSync(inAgent("boot", name), ""),
    ]) {
      damage();
      const { report, notices } = await redeploy();
      assertOk(report);
      assert.deepEqual(notices, [`corrupt files on the host, uploading them again: boot/${name}`]);
    }
  });

  test("corrupt sources on the host are sent again, once", async () => {
    for (const damage of ["truncate -s 100", "rm -f"]) {
      await session.connections.close();
      await kill("supervisor");
      await on.machine.run(
        `cd /root/.cache/consfigurator/agent && find trees -path '*/lib/worker/worker.js' -exec ${damage} {} +`,
      );
      const { report } = await redeploy();
      selfIn(report);
    }
    await session.connections.close();
    await kill("supervisor");
    rmSync(inAgent("blobs"), { recursive: true });
    rmSync(inAgent("trees"), { recursive: true });
    selfIn((await redeploy()).report);
  });

  test("a worker that cannot start fails the deployment with its output", async () => {
    on.write({
      "properties/broken.ts": `import { existsSync } from "node:fs";
import { defprop, schema } from "consfigurator";
if (existsSync("/srv/breaks")) throw new Error("not on this host");
export const here = defprop({ name: "broken.here", kind: "agent", args: schema.object({}), call: () => ({}), apply: async () => "changed" });
`,
    });
    session.consfig?.refresh();
    assertOk(await on.deploy([prop("broken.here")]));
    await on.machine.run("touch /srv/breaks");
    await session.connections.close();
    await kill("supervisor");
    const report = await on.deploy([prop("broken.here")]);
    assert.equal(report.status, "failed");
    const message = report.failure?.message ?? "";
    assert.match(message, /^the worker exited at startup \(exit code 1\):\n/);
    assert.match(message, /Error: not on this host/);
    assert.match(message, /properties\/broken\.ts:3/);
    await on.machine.run("rm /srv/breaks");
    assertOk(await on.deploy([prop("broken.here")]));
  });

  describe("while the runtime is uploaded", () => {
    let proxy: DelayProxy;
    before(async () => {
      proxy = await on.proxy();
    });
    const hops = () => [on.ssh("root", proxy), via.agent()];
    const parts = () =>
      existsSync(inAgent("runtime"))
        ? readdirSync(inAgent("runtime")).filter((name) => name.endsWith(".part"))
        : [];

    let part = "";
    test("a cut connection: the upload is resumed", async (t) => {
      await on.bare();
      proxy.reset();
      const deployment = on.deploy([prop("probe.process_")], hops());
      await until("a part", () => proxy.bytes.up > 15_000_000, 60);
      proxy.cut("refuse");
      await until(
        "the upload to end on the host, with its temporary files",
        async () =>
          (await on.machine.exec("pgrep tee")).stdout === "" &&
          !readdirSync(inAgent("runtime")).some((name) => name.includes(".tmp")),
      );
      [part = ""] = parts();
      assert.ok(part);
      const { size } = statSync(inAgent("runtime", part));
      await on.machine.run("cp -a .cache/consfigurator half");
      proxy.reset();
      proxy.restore();
      assertOk(await deployment);
      t.diagnostic(`${size} bytes were on the host, ${proxy.bytes.up} sent after that`);
      assert.ok(proxy.bytes.up < 46_500_000 - size + 1_000_000, `${proxy.bytes.up} bytes`);
      assert.deepEqual(parts(), []);
    });

    const damages: Readonly<Record<string, (part: string) => void>> = {
      "with a hole, as after a power failure": (part) => {
        const file = openSync(part, "r+");
        writeSync(file, Buffer.alloc(4096), 0, 4096, 8_000_000);
        closeSync(file);
      },
      ...(ALL && { "with more than was sent": (part: string) => appendFileSync(part, "garbage") }),
    };
    for (const [how, damage] of Object.entries(damages)) {
      test(`a part of an earlier deployment, ${how}, is discarded, and everything is uploaded`, async () => {
        await on.bare();
        await on.machine.run("mkdir -p .cache && cp -a half .cache/consfigurator");
        damage(inAgent("runtime", part));
        const deployment = on.deploy([prop("probe.process_")], hops());
        const events = eventsOf(deployment);
        assertOk(await deployment);
        const notices = events.flatMap((event) => (event.kind === "notice" ? [event.text] : []));
        assert.deepEqual(notices, ["the partial runtime on the host is corrupt; uploading all of it again"]);
        assert.deepEqual(parts(), []);
        assert.match(
          await on.machine.run("cd /root/.cache/consfigurator/agent/runtime && sha256sum node-*"),
          /^(?<hash>[0-9a-f]{16})[0-9a-f]{48} {2}\S+-\k<hash>\n/,
        );
      });
    }
  });
});

describe("an agent on a host with a full disk", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig({ diskLimit: 260 * 1024 * 1024 });
  });
  after(() => on?.stop());

  test("fails before anything is uploaded", async () => {
    await on.machine.run("fallocate -l 110M /root/fill");
    const report = await on.deploy([prop("probe.process_")]);
    assert.equal(report.status, "failed");
    assert.match(
      report.failed[0]?.failure?.message ?? "",
      /^probe\.process_ at \S+ needs the agent: via\.agent\(\): not enough disk space for the runtime: \/root\/\.cache\/consfigurator\/agent has 1\d\d MB free and needs 18\d MB; free some space, or remove via\.agent\(\)$/,
    );
    assert.deepEqual(readdirSync(path.join(on.agent, "runtime")), []);
    await on.machine.run("rm /root/fill");
  });

  test("that fills up later applies known sources, without a journal, and refuses new ones with a clear error", async () => {
    await session.connections.close();
    assertOk(await on.deploy([prop("probe.process_")]));
    assertOk(await on.deploy([prop("probe.runs", "true")]));
    await on.machine.exec(
      "dd if=/dev/zero of=/root/fill bs=64k 2>/dev/null; dd if=/dev/zero of=/root/fill2 bs=512 2>/dev/null; :",
    );
    const freeing = await on.deploy([prop("probe.runs", "echo still works")]);
    assertOk(freeing);
    on.write({
      "properties/big.ts": `import { defprop, schema } from "consfigurator";
export const text = "${"0123456789".repeat(20000)}";
export const big = defprop({ name: "big.big", kind: "posix", args: schema.object({}), call: () => ({}), apply: async () => "changed" });
`,
    });
    session.consfig?.refresh();
    const refused = await on.deploy([prop("big.big")]);
    assert.equal(refused.status, "failed");
    assert.equal(
      refused.failure?.message,
      "not enough disk space for the sources in /root/.cache/consfigurator/agent; free some space and deploy again",
    );
    await on.machine.run("rm /root/fill /root/fill2");
    assertOk(await on.deploy([prop("big.big")]));
  });
});
