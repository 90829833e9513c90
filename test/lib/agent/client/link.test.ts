import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { JournalLine } from "../../../../lib/agent/shared/journal-line";
import { session } from "../../../../lib/controller/session";
import type { DeployEvent } from "../../../../lib/model/events";
import * as via from "../../../../lib/via";
import { promised } from "../../../support/load";
import { needsMachines } from "../../../support/machines";
import { until } from "../../../support/until";
import { assertOk, eventsOf, prop, type Rig, rig, selfIn } from "../_rig";

describe("deployments through an agent", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    assertOk(await on.deploy([prop("probe.runs", "rm -rf /srv/*")]));
    await on.arrived();
  });
  after(() => on?.stop());

  const exists = (file: string) => existsSync(path.join(on.machine.root, file));
  const linesOf = (file: string) =>
    exists(file) ? readFileSync(path.join(on.machine.root, file), "utf8").split("\n").filter(Boolean) : [];
  const journal = (deployment: string) =>
    readFileSync(path.join(on.agent, "journal", `${deployment}.jsonl`), "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as JournalLine);
  /** The output of all steps. Asserts that no event is duplicated or out of order. */
  const outputIn = (events: readonly DeployEvent[]) => {
    const started = events.flatMap((event) => (event.kind === "step-started" ? [event.step] : []));
    assert.deepEqual(
      started,
      started.map((_, index) => index + 1),
      "each step starts once",
    );
    return events.map((event) => (event.kind === "step-output" ? event.text : "")).join("");
  };
  const ticks = 'for i in 1 2 3 4 5 6; do echo "tick $i"; sleep 0.25; done';
  const allTicks = [1, 2, 3, 4, 5, 6].map((i) => `tick ${i}\n`).join("");

  test("an unchanged one takes one round trip", async (t) => {
    const proxy = await on.proxy();
    const hops = [on.ssh("root", proxy), via.agent()];
    const same = [1, 2, 3, 4, 5, 6].map((i) => prop("file.hasContent", `/srv/same-${i}`, `content ${i}`));
    assertOk(await on.deploy(same, hops));
    const spare = async () =>
      (await session.connections.open().length) > 0 && (await on.pids("worker")).length === 1;
    await until("a spare worker", spare);
    await sleep(300);
    // Long enough to tell two round trips from one on a busy machine.
    proxy.setRoundTrip(1000);
    proxy.reset();
    const [started, inTime] = [performance.now(), promised(2, "a deployment in one round trip of a second")];
    const report = await on.deploy(same, hops);
    inTime();
    const took = Math.round(performance.now() - started);
    assert.equal(report.status, "unchanged");
    t.diagnostic(
      `1000 ms round trip: ${took} ms, ${proxy.bytes.up} bytes up, ${proxy.bytes.down} bytes down`,
    );
    assert.ok(proxy.bytes.up < 3000, `${proxy.bytes.up} bytes`);
    assert.ok(proxy.bytes.down < 3000, `${proxy.bytes.down} bytes`);
  });

  test("each has a fresh process", async () => {
    const one = selfIn(await on.deploy([prop("probe.process_")]));
    const two = selfIn(await on.deploy([prop("probe.process_")]));
    assert.deepEqual([one.seen, two.seen], [1, 1]);
    assert.notEqual(one.pid, two.pid);
  });

  test("cancelling one kills the running command with all its children", async () => {
    const deployment = on.deploy([
      prop(
        "probe.runs",
        "sh -c 'trap \"\" TERM; touch /srv/began; sleep 4711; sleep 4712' & sleep 4713; wait",
      ),
      prop("probe.runs", "touch /srv/never"),
    ]);
    await until("the step", () => exists("srv/began"));
    const inTime = promised(20, "a cancel of a command with children");
    deployment.cancel();
    const report = await deployment;
    inTime();
    assert.equal(report.status, "cancelled");
    assert.equal(report.failure?.message, "the deployment was cancelled");
    assert.equal((await on.machine.exec("pgrep -f 'sleep 471[123]'")).stdout, "");
    assert.ok(!exists("srv/never"));
  });

  test("stopping one finishes the running step and skips the rest", async () => {
    const deployment = on.deploy([
      prop("probe.runs", "touch /srv/stoppable; sleep 0.5; touch /srv/finished"),
      prop("probe.runs", "touch /srv/never"),
    ]);
    await until("the step", () => exists("srv/stoppable"));
    deployment.stop();
    const report = await deployment;
    assert.equal(report.status, "cancelled");
    assert.deepEqual(
      report.steps.map(({ status, reason }) => [status, reason]),
      [
        ["changed", undefined],
        ["skipped", "the deployment was stopped"],
      ],
    );
    assert.ok(exists("srv/finished") && !exists("srv/never"));
  });

  test("two deployments of one session to one host run one after the other", async () => {
    const script = (name: string) =>
      `echo begin ${name} >>/srv/order; sleep 0.3; echo end ${name} >>/srv/order`;
    const first = on.deploy([prop("probe.runs", script("a"))]);
    await until("the first", () => exists("srv/order"));
    const second = on.deploy([prop("probe.runs", script("b"))]);
    const events = eventsOf(second);
    assertOk(await first);
    assertOk(await second);
    assert.deepEqual(linesOf("srv/order"), ["begin a", "end a", "begin b", "end b"]);
    const waiting = events.find((event) => event.kind === "waiting");
    assert.match(
      waiting?.kind === "waiting" ? waiting.reason : "",
      /^deployment [0-9a-f]{12} by \S+@\S+ has held the host since 20\S+Z; waiting for it to finish$/,
    );
  });

  test("a waiting one can be cancelled, and blocks no other", async () => {
    const first = on.deploy([prop("probe.runs", "touch /srv/holds; sleep 1")]);
    await until("the first", () => exists("srv/holds"));
    const second = on.deploy([prop("probe.runs", "touch /srv/never")]);
    const events = eventsOf(second);
    await until("the second", () => events.some(({ kind }) => kind === "waiting"));
    second.cancel();
    assert.equal((await second).status, "cancelled");
    assertOk(await first);
    assert.ok(!exists("srv/never"));
    assertOk(await on.deploy([prop("probe.process_")]));
  });

  test("another controller waits, and sees which deployment holds the host", async () => {
    const held = "touch /srv/mine; while ! [ -e /srv/go ]; do sleep 0.1; done; touch /srv/mine-done";
    const first = on.deploy([prop("probe.runs", held)]);
    await until("the first", () => exists("srv/mine"));
    const other = on.controller(["probe.runs", "test -e /srv/mine-done && echo after"]);
    await until("the other", () => other.events.some(({ kind }) => kind === "waiting"));
    await on.machine.run("touch /srv/go");
    const report = await other.report;
    assertOk(report);
    assertOk(await first);
    const waiting = other.events.flatMap((event) => (event.kind === "waiting" ? [event.reason] : []));
    assert.equal(waiting.length, 1);
    assert.ok(waiting[0]?.includes((await first).deployment));
    assert.equal(report.steps[0]?.output, "after\n");
  });

  test("a deployment finishes after its controller was killed", async () => {
    const other = on.controller(["probe.runs", ticks], ["probe.runs", "touch /srv/orphan"]);
    await until("output", () => other.events.some(({ kind }) => kind === "step-output"));
    other.process.kill("SIGKILL");
    await until("the end", () => exists("srv/orphan"));
    const deployment = other.events[0]?.deployment ?? "";
    await until("the outcome", () => journal(deployment).some((line) => "outcome" in line));
    const events = journal(deployment).flatMap((line) => ("event" in line ? [line.event] : []));
    assert.equal(outputIn(events as DeployEvent[]), allTicks);
    assert.deepEqual(journal(deployment).at(-1), {
      outcome: { change: "changed", failed: false, cancelled: false },
    });
  });

  test("a step may print 200 MB: only its beginning and its end are kept", async (t) => {
    const proxy = await on.proxy();
    proxy.reset();
    const begins =
      "echo the beginning; head -c 200000000 /dev/zero | tr '\\0' x | fold -w 99; printf '\\nthe end\\n'";
    const report = await on.deploy(
      [prop("probe.runs", begins), prop("cmd.single", "sh", "-c", `${begins}; exit 3`)],
      [on.ssh("root", proxy), via.agent()],
    );
    const [shown, failed] = report.steps;
    const shape = (text = "") => text.replaceAll(/x+\n/g, "x").replaceAll(/x+/g, "x");
    const excerpt = /^the beginning\nx(\n|)… 20\d\.\d MB of output omitted …\nxthe end\n$/;
    assert.equal(shown?.status, "changed");
    assert.match(shape(shown?.output), excerpt);
    assert.match(shape(failed?.failure?.command?.stdout), excerpt);
    const { size } = statSync(path.join(on.agent, "journal", `${report.deployment}.jsonl`));
    t.diagnostic(`journal ${size} bytes, ${proxy.bytes.down} bytes down`);
    assert.ok(size < 5_000_000, `${size} bytes of journal`);
    assert.ok(proxy.bytes.down < 5_000_000, `${proxy.bytes.down} bytes down`);
  });

  test("a connection cut during a step is reopened, and no event is lost or duplicated", async () => {
    const proxy = await on.proxy();
    const endless = 'i=0; until [ -e /srv/enough ]; do i=$((i+1)); echo "tick $i"; sleep 0.1; done';
    const deployment = on.deploy(
      [prop("probe.runs", endless), prop("probe.runs", "echo last")],
      [on.ssh("root", proxy), via.agent()],
    );
    const events = eventsOf(deployment);
    const output = () => events.filter(({ kind }) => kind === "step-output").length;
    const losses = () => events.filter(({ kind }) => kind === "notice").length;
    await until("output", () => output() >= 1);
    proxy.cut();
    await until("the first loss", () => losses() === 1);
    const before = output();
    await until("more output", () => output() > before);
    proxy.cut("refuse");
    await until("the second loss", () => losses() === 2);
    proxy.restore();
    await on.machine.run("touch /srv/enough");
    assertOk(await deployment);
    const printed = outputIn(events).split("\n").slice(0, -1);
    const expected = printed.slice(0, -1).map((_, index) => `tick ${index + 1}`);
    assert.deepEqual(printed, [...expected, "last"]);
    const notices = events.flatMap((event) => (event.kind === "notice" ? [event.text] : []));
    assert.deepEqual(notices, Array(2).fill(notices[0]));
    assert.equal(
      notices[0],
      "lost the connection to web1.example.org; the deployment continues there; reconnecting",
    );
  });

  test("the end of a deployment while disconnected is received after reconnecting", async () => {
    const proxy = await on.proxy();
    const deployment = on.deploy(
      [prop("probe.runs", "touch /srv/cut; sleep 0.5; echo done; exit 3")],
      [on.ssh("root", proxy), via.agent()],
    );
    const events = eventsOf(deployment);
    await until("the step", () => exists("srv/cut"));
    proxy.cut("refuse");
    await sleep(1000);
    proxy.restore();
    const report = await deployment;
    assert.equal(report.status, "failed");
    assert.equal(outputIn(events), "done\n");
    assert.equal(report.failed[0]?.failure?.command?.exit, 3);
  });

  test("a cancellation while disconnected arrives with the next connection", async () => {
    const proxy = await on.proxy();
    const deployment = on.deploy(
      [prop("probe.runs", "touch /srv/far; sleep 60"), prop("probe.runs", "touch /srv/never")],
      [on.ssh("root", proxy), via.agent()],
    );
    await until("the step", () => exists("srv/far"));
    proxy.cut("refuse");
    await sleep(50);
    deployment.cancel();
    await sleep(1000);
    proxy.restore();
    const report = await deployment;
    assert.deepEqual([report.status, report.failure?.message], ["cancelled", "the deployment was cancelled"]);
    assert.equal((await on.machine.exec("pgrep -f 'sleep 6[0]'")).stdout, "");
    assert.ok(!exists("srv/never"));
  });

  test("one that cannot arrive is said not to have after 5 s, and arrives later", async () => {
    const proxy = await on.proxy();
    const deployment = on.deploy(
      [prop("probe.runs", "touch /srv/farther; sleep 61"), prop("probe.runs", "touch /srv/never")],
      [on.ssh("root", proxy), via.agent()],
    );
    await until("the step", () => exists("srv/farther"));
    proxy.cut("refuse");
    await sleep(50);
    deployment.cancel();
    const inTime = promised(6, "the report of a cancel that cannot arrive");
    const report = await deployment;
    inTime();
    assert.deepEqual(
      [report.status, report.failure?.message],
      [
        "cancelled",
        "the deployment was cancelled while web1.example.org could not be reached: it goes on there until the connection is back, which this session tries to reopen; later, `.agents stop --force web1.example.org` ends it",
      ],
    );
    assert.notEqual((await on.machine.exec("pgrep -f 'sleep 6[1]'")).stdout, "");
    proxy.restore();
    await until("its end", async () => (await on.machine.exec("pgrep -f 'sleep 6[1]'")).stdout === "");
    assert.ok(!exists("srv/never"));
  });

  test("long output is complete, in the report and in the journal", async () => {
    const report = await on.deploy([prop("probe.runs", "seq 70000")]);
    assertOk(report);
    assert.equal(report.steps[0]?.output.length, 408894);
    assert.ok(journal(report.deployment).length > 3);
  });

  test("journals are kept, private to the user", async () => {
    const names = readdirSync(path.join(on.agent, "journal"));
    assert.ok(names.length > 5);
    assert.equal(
      await on.machine.run("find /root/.cache/consfigurator/agent/journal -type f ! -perm 600"),
      "",
    );
  });
});
