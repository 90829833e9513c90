/** A host that deploys others: only the first reaches the second, and only the second reaches the third, over a shell. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { seqprops } from "../../../lib/combinators";
import { deployThese } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import type { Hop } from "../../../lib/model/hop";
import { defhost, type Host } from "../../../lib/model/host";
import type { PropApp } from "../../../lib/model/property";
import { as, deploys, deploysThese } from "../../../lib/nested/deploys";
import * as via from "../../../lib/via";
import { bootMachines, type Machine, needsMachines } from "../../support/machines";
import { outline } from "../../support/outline";
import { until } from "../../support/until";
import { assertOk, eventsOf, rig as makeRig, probe, prop, type Rig } from "../agent/_rig";

describe("a host that deploys others", needsMachines(), () => {
  let rig: Rig;
  let second: Machine;
  let third: Machine;
  before(async () => {
    rig = await makeRig();
    rig.write({ "properties/spy.ts": spy });
    const refresh = session.consfig?.refresh();
    if (refresh?.error) throw refresh.error;
    [second, third] = (await bootMachines(2)) as [Machine, Machine];
    await authorize(rig.machine, second);
    await authorize(second, third);
    // The controller gets no answer from these.
    for (const machine of [second, third]) await machine.run("ip route add blackhole 198.18.0.1");
  });
  after(async () => {
    await Promise.all([second?.stop(), third?.stop()]);
    await rig?.stop();
  });

  const runs = (script: string) => prop("probe.runs", script);
  const ssh = (machine: Machine): Hop =>
    via.ssh({ user: "root", hop: machine.address, identity: "/root/.ssh/id_test" });
  const shellOnly = (...applications: PropApp[]) =>
    deploysThese("third.example.org", ssh(third), ...applications);
  const onSecond = (...applications: PropApp[]): Host =>
    defhost("second.example.org", { deploy: [ssh(second), via.agent()] }, ...applications);

  test("only the first reaches the second", async () => {
    const report = await deployThese(
      "second.example.org",
      via.ssh({ user: "root", hop: second.address, identity: second.identity, connectTimeoutSeconds: 2 }),
      runs("true"),
    );
    assert.equal(report.status, "failed");
    assert.equal(report.failure?.name, "ConnectionFailed");
  });

  test("each property is applied on its host, in an agent or over a shell", async () => {
    const report = await rig.deploy([
      runs("hostname"),
      deploys(
        onSecond(runs("hostname"), prop("probe.process_"), as("plain", runs("id -un; hostname"))),
        shellOnly(runs("hostname")),
      ),
      runs("hostname -s"),
    ]);
    assertOk(report);
    const output = report.steps
      .filter(({ property }) => property === "probe.runs")
      .map((step) => step.output);
    assert.deepEqual(output, [
      "web1\n",
      `${second.name}\n`,
      `plain\n${second.name}\n`,
      `${third.name}\n`,
      "web1\n",
    ]);
    assert.deepEqual(outline(report.steps), [
      "changed hostname",
      "changed deploys second.example.org",
      "  changed hostname",
      "  changed probe.process_({})",
      "  changed as plain",
      "    changed id -un; hostname",
      "  changed deploys to third.example.org",
      "    changed hostname",
      "changed hostname -s",
    ]);
    assert.equal((await second.run("ls /root/.cache/consfigurator")).trim(), "agent");
    assert.equal((await third.exec("ls /root/.cache/consfigurator")).exit, 2);
  });

  test("edited sources are passed on", async () => {
    rig.write({ "properties/probe.ts": probe.replace("on purpose", "on purpose, after an edit") });
    const report = await rig.deploy([
      seqprops(deploys(onSecond(prop("probe.fails"), shellOnly(prop("probe.fails"))))),
    ]);
    const why = "FailedChange: on purpose, after an edit";
    assert.deepEqual(outline(report.steps), [
      "changed deploys second.example.org",
      `  failed probe.fails({}): ${why}`,
      "  failed deploys to third.example.org (a step inside it failed)",
      `    failed probe.fails({}): ${why}`,
    ]);
    const line = readFileSync(`${rig.consfig}/properties/probe.ts`, "utf8")
      .split("\n")
      .findIndex((text) => text.includes("on purpose"));
    for (const { failure } of report.failed.filter((step) => step.failure))
      assert.match(
        failure?.stack ?? "",
        new RegExp(`^ *at apply \\(properties/probe\\.ts:${line + 1}:\\d+\\)`),
      );
  });

  test("a deployed host does not see the facts of the deploying host", async () => {
    const report = await rig.deploy([
      deploys(onSecond(prop("spy.facts")), shellOnly(runs("true"))),
      prop("spy.facts"),
    ]);
    assertOk(report);
    const [there, here] = report.steps
      .filter(({ property }) => property === "spy.facts")
      .map(({ output }) => JSON.parse(output) as object);
    assert.deepEqual(there, { name: "second.example.org", attributes: { hostname: ["second.example.org"] } });
    assert.deepEqual(here, { name: "web1.example.org", attributes: { hostname: ["web1.example.org"] } });
  });

  test("cancelling reaches a shell two hosts away, and its command ends", async () => {
    const deployment = rig.deploy([
      deploys(onSecond(shellOnly(runs("echo begun; sleep 78"), runs("echo never")))),
    ]);
    const events = eventsOf(deployment);
    await until("the command to start", () =>
      events.some((event) => event.kind === "step-output" && event.text.includes("begun")),
    );
    deployment.cancel();
    const report = await deployment;
    assert.equal(report.status, "cancelled");
    assert.deepEqual(
      report.skipped.map(({ desc }) => desc),
      ["echo never"],
    );
    await until("the command ends", async () => (await third.exec("pgrep -f '[s]leep 78'")).exit !== 0);
  });

  test("an unreachable second host fails its step, and the first continues", async () => {
    await second.run("systemctl stop ssh.socket ssh.service 2>/dev/null; systemctl stop ssh");
    try {
      const report = await rig.deploy([
        seqprops(deploys(onSecond(runs("hostname")), [ssh(second), via.agent()]), runs("hostname")),
      ]);
      assert.deepEqual(
        report.steps.map(({ status }) => status),
        ["failed", "changed"],
      );
      assert.match(report.failed[0]?.failure?.message ?? "", new RegExp(`^via\\.ssh\\(.*${second.address}`));
    } finally {
      await second.run("systemctl start ssh");
    }
  });
});

/** Prints the facts of the host. */
const spy = `import { defprop, schema } from "consfigurator";

export const facts = defprop({
  name: "spy.facts",
  kind: "posix",
  args: schema.object({}),
  call: () => ({}),
  apply: async (_args, target) => {
    target.inform(JSON.stringify(target.host));
    return "unchanged";
  },
});
`;

/** Lets root on `from` log in to `to`. */
async function authorize(from: Machine, to: Machine): Promise<void> {
  await from.run("mkdir -p -m 0700 /root/.ssh && cat >/root/.ssh/id_test && chmod 0600 /root/.ssh/id_test", {
    input: readFileSync(to.identity, "utf8"),
  });
  await from.run(`echo '${to.address} ${to.hostKey}' >>/root/.ssh/known_hosts`);
}
