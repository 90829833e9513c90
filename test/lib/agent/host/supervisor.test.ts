/** Which supervisor a host has, and who may stop what it runs. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startRelay } from "../../../../lib/agent/client/bootstrap";
import { AgentLink } from "../../../../lib/agent/client/link";
import { localConnection } from "../../../../lib/connection/local";
import { agents, stopAgent } from "../../../../lib/controller/agents";
import { controllerArtifacts } from "../../../../lib/controller/artifacts";
import { session } from "../../../../lib/controller/session";
import { requiredBy } from "../../../../lib/model/application";
import { Cancellation } from "../../../../lib/model/cancellation";
import type { StepEvent } from "../../../../lib/model/events";
import { promised } from "../../../support/load";
import { until } from "../../../support/until";
import { type LocalAgent, localAgent } from "../_local";
import { assertOk, eventsOf, prop } from "../_rig";

const name = "this.example.org";

/** How often five controllers start at once. */
const ROUNDS = process.env["CONSFIGURATOR_TEST_ALL"] ? 3 : 1;

describe("the supervisor", () => {
  let on: LocalAgent;
  beforeEach(() => {
    on = localAgent();
  });
  afterEach(() => on.stop());

  /** A link of a controller whose agent has another boot file. */
  const otherVersion = async (version: number) => {
    const { code } = await controllerArtifacts.boot();
    const other = Buffer.concat([code, Buffer.from(`\n// ${version}\n`)]);
    const hash = createHash("sha256").update(other).digest("hex").slice(0, 32);
    const artifacts = { ...controllerArtifacts, boot: async () => ({ hash, code: other }) };
    return AgentLink.open(await startRelay(localConnection(), artifacts, () => {}));
  };
  const applied = (
    link: AgentLink,
    deployment: string,
    script: string,
    emit: (event: StepEvent) => void = () => {},
  ) => {
    const work = { host: { name, attributes: {} }, application: prop("probe.runs", script), hops: [] };
    const sources = controllerArtifacts.sources(...requiredBy(work));
    return link.apply({ ...work, deployment, by: "ana@laptop" }, sources, {
      host: name,
      emit,
      reopen: () => Promise.reject(new Error("not needed")),
      answers: { to: async () => ({}) },
      cancellation: new Cancellation(),
    });
  };

  test("is one, whatever the versions of five controllers that start at once", async () => {
    // Everything is installed before: only the race for the host is left.
    const links = await Promise.all([0, 1, 2, 3, 4].map(otherVersion));
    for (const link of links) link.close();
    await until("no relay", () => on.pids("relay").length === 0);
    for (const pid of on.pids("supervisor")) process.kill(pid, "SIGKILL");
    for (let round = 0; round < ROUNDS; round++) {
      const file = path.join(on.dir, `interleaved-${round}`);
      const script = `echo + >>${file}; sleep 0.2; echo - >>${file}`;
      const outcomes = await Promise.all(
        [0, 1, 2, 3, 4].map(async (version) => {
          await sleep(version * 60);
          const link = await otherVersion(version);
          const outcome = await applied(link, `d${round}${version}`, script);
          link.close();
          return outcome;
        }),
      );
      for (const outcome of outcomes)
        assert.deepEqual(outcome, { change: "changed", failed: false, cancelled: false });
      assert.equal(readFileSync(file, "utf8"), "+\n-\n".repeat(5));
    }
  });

  test("that is stopped by a signal is replaced within seconds, and the prompt is told", async () => {
    assertOk(await on.deploy(prop("probe.runs", "true")));
    for (const fresh of [false, true]) {
      if (fresh) await session.connections.close();
      const [pid = 0] = on.pids("supervisor");
      process.kill(pid, "SIGSTOP");
      const deployment = on.deploy(prop("probe.runs", "true"));
      const events = eventsOf(deployment);
      const inTime = promised(8, "replacing a supervisor that is stopped");
      assertOk(await deployment);
      inTime();
      const reasons = events.flatMap((event) => (event.kind === "waiting" ? [event.reason] : []));
      if (!fresh)
        assert.match(
          reasons[0] ?? "",
          new RegExp(`^the agent's supervisor \\(pid ${pid}\\) did not answer for [23] s; replacing it$`),
        );
      assert.ok(!on.pids("supervisor").includes(pid));
    }
  });

  test("replaces a spare worker that is stopped by a signal, and the prompt is told", async () => {
    assertOk(await on.deploy(prop("probe.runs", "true")));
    await until("the spare", async () => (await agents())[0]?.status?.spare === true);
    await until("one worker", () => on.pids("worker").length === 1);
    await sleep(500);
    const [pid = 0] = on.pids("worker");
    process.kill(pid, "SIGSTOP");
    const deployment = on.deploy(prop("probe.runs", "true"));
    const events = eventsOf(deployment);
    assertOk(await deployment);
    assert.deepEqual(
      events.flatMap((event) => (event.kind === "waiting" ? [event.reason] : [])),
      [`the agent's spare worker (pid ${pid}) did not answer within 1.5 s; starting another one`],
    );
  });

  test("is stopped after its deployment; by force from another session with it", async () => {
    const file = path.join(on.dir, "spinning");
    const deployment = on.deploy(prop("stuck.spins", file));
    await until("the step", () => existsSync(file), 30);
    const [{ status } = { status: undefined }] = await agents();
    const [holder] = status?.running ?? [];
    const { deployment: id, by } = holder ?? {};
    assert.deepEqual(await stopAgent(name), { deployment: id, by });
    assert.equal(on.pids("supervisor").length, 1, "nothing has ended");
    const other = await otherVersion(7);
    const inTime = promised(5, "a shutdown by force");
    const { how } = await other.shutdown(true);
    inTime();
    // Whether a command was running at that moment is chance.
    assert.match(how ?? "", /^its worker was killed(; the commands that it had started were ended: .*)?$/);
    const report = await deployment;
    assert.deepEqual(
      [report.status, report.failure?.message],
      [
        "cancelled",
        "the deployment was cancelled; its worker did not stop within 2.5 s and was killed in the middle of a step; deploy again to finish that step",
      ],
    );
    await until("no process", () => on.pids("supervisor").length + on.pids("worker").length === 0);
    assertOk(await on.deploy(prop("probe.runs", "true")));
  });

  test("a deployment that is cancelled before it arrives never starts", async () => {
    const [file, link] = [path.join(on.dir, "ran"), await otherVersion(1)];
    link.signal("early", "cancel");
    assert.deepEqual(await applied(link, "early", `touch ${file}`), {
      change: "unchanged",
      failed: false,
      cancelled: true,
    });
    // Its sources are missing on the host: it would be sent again.
    const late = applied(link, "late", `touch ${file}`);
    link.signal("late", "cancel");
    assert.equal((await late).cancelled, true);
    // Over a later connection too.
    const other = await otherVersion(2);
    assert.equal((await applied(other, "early", `touch ${file}`)).cancelled, true);
    assert.equal(existsSync(file), false);
    link.close();
    other.close();
  });

  test("an agent that ends at each job is given up", async () => {
    assertOk(await on.deploy(prop("probe.runs", "true")));
    const file = path.join(on.dir, "begun");
    const deployment = on.deploy(prop("probe.runs", `echo $$ >${file}; exec sleep 60`));
    const pid = Number(await until("the step", () => existsSync(file) && readFileSync(file, "utf8").trim()));
    const killRelays = () => {
      for (const pid of on.pids("relay")) process.kill(pid, "SIGKILL");
    };
    deployment.subscribe((event) => {
      if (event.kind === "hop-opened" && event.hop === "via.agent()" && !event.reused)
        setTimeout(killRelays, 200);
    });
    killRelays();
    const report = await deployment;
    assert.equal(report.status, "failed");
    assert.match(
      report.failure?.message ?? "",
      /^via\.agent\(\): the connection to this\.example\.org ended 7 times in a row, each time soon after it was opened; the deployment may go on there: `\.log this\.example\.org` shows how it ended, and ~\/\.cache\/consfigurator\/agent\/log on the host why the agent did$/,
    );
    process.kill(pid);
  });

  test("a relay whose controller is silent exits", async () => {
    process.env["CONSFIGURATOR_LINK_SILENCE_MS"] = "600";
    const relay = await startRelay(localConnection(), controllerArtifacts, () => {});
    delete process.env["CONSFIGURATOR_LINK_SILENCE_MS"];
    assert.equal(on.pids("relay").length, 1);
    relay.stdout.resume();
    assert.equal(await relay.exit, 0);
    assert.equal(on.pids("relay").length, 0);
  });

  test("a relay that is stopped by a signal is replaced, and no step is lost", async () => {
    const file = path.join(on.dir, "step");
    const deployment = on.deploy(prop("probe.runs", `touch ${file}; sleep 16; echo ended`));
    const events = eventsOf(deployment);
    await until("the step", () => existsSync(file), 30);
    for (const pid of on.pids("relay")) process.kill(pid, "SIGSTOP");
    await until("the notice", () => events.some(({ kind }) => kind === "notice"), 25);
    const report = await deployment;
    assertOk(report);
    assert.equal(report.steps[0]?.output, "ended\n");
  });
});
