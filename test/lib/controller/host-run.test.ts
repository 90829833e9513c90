import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { agent } from "../../../lib/agent/client/hop";
import { local } from "../../../lib/connection/local";
import { deploy } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import type { DeployEvent } from "../../../lib/model/events";
import type { Hop } from "../../../lib/model/hop";
import { defhost, type Host } from "../../../lib/model/host";
import type { Report } from "../../../lib/model/report";
import { openConsfig } from "../../../lib/source/consfig";
import { promised } from "../../support/load";
import { outline } from "../../support/outline";
import * as toy from "../../support/toy";
import { host, nowhere, refuses } from "./_hosts";

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "host-run-"));
});
beforeEach(() => void toy.takeDone());
after(async () => {
  await session.close();
  rmSync(dir, { recursive: true, force: true });
});

describe("refusals before connecting", () => {
  const refusals: [name: string, start: () => PromiseLike<Report>, message: string | RegExp][] = [
    [
      "a host without hops",
      () => deploy(defhost("bare.example.org", toy.changes("a"))),
      'bare.example.org has no hops, and none were given; write deploy(host, via.ssh({ user: "root" }), via.agent()), or add { deploy: […] } to its defhost',
    ],
    [
      "an undefined host",
      () => deploy("bare.exmaple.org" as unknown as Host, local()),
      "there is no host bare.exmaple.org; did you mean bare.example.org?",
    ],
    [
      "a property that refuses",
      () => deploy(host(toy.changes("a"), refuses())),
      /^web1\.example\.org: test\.refuses\(\) at test\/lib\/controller\/host-run\.test\.ts:\d+:\d+: it does not fit$/,
    ],
    [
      "all complaints at once",
      () => deploy(host(refuses()), refuses()),
      /^web1\.example\.org: 2 problems\n {2}- test\.refuses\(\) at .*: it does not fit\n {2}- test\.refuses\(\) at .*: it does not fit$/,
    ],
    [
      "an agent property without an agent",
      () => deploy(host(toy.changes("a"), toy.needsAgent("b"))),
      /^web1\.example\.org: toy\.needsAgent\('b'\) at test\/lib\/controller\/host-run\.test\.ts:\d+:\d+ needs an agent on the host; add via\.agent\(\) to its hops$/,
    ],
    [
      "a hop behind an agent",
      () => deploy(host(toy.changes("a")), agent(), local() as Hop),
      "web1.example.org: via.local() must be the first hop: it means the machine you are working on",
    ],
    [
      "an unknown hop",
      () => deploy(host(toy.changes("a")), local(), { hop: "shh", args: {}, site: "here:1:1" } as Hop),
      /^web1\.example\.org: there is no hop via\.shh; the hops are (via\.\w+, )+via\.\w+$/,
    ],
  ];
  for (const [name, start, message] of refusals) {
    test(name, async () => {
      const report = await start();
      assert.equal(report.status, "refused");
      assert.equal(report.ok, false);
      assert.deepEqual(report.steps, []);
      if (typeof message === "string") assert.equal(report.failure?.message, message);
      else assert.match(report.failure?.message ?? "", message);
      assert.deepEqual(toy.takeDone(), []);
    });
  }

  test("emit only the end event", async () => {
    const deployment = deploy(host(refuses()));
    const events: string[] = [];
    deployment.subscribe((event) => events.push(event.kind));
    await deployment;
    assert.deepEqual(events, ["deployment-ended"]);
  });

  test("a consfig that fails to load refuses each host", async (t) => {
    const root = path.join(dir, "consfig");
    for (const each of ["hosts", "properties"]) mkdirSync(path.join(root, each), { recursive: true });
    writeFileSync(path.join(root, "hosts", "web.ts"), "export const web = ;\n");
    t.after(() => {
      session.consfig = undefined;
    });
    session.consfig = openConsfig(root);
    const web1 = host(toy.changes("a"));
    const { reports } = await deploy([web1, web1]);
    for (const { status, failure } of reports) {
      assert.equal(status, "refused");
      assert.match(failure?.message ?? "", /hosts\/web\.ts/);
    }
    assert.deepEqual(toy.takeDone(), []);
  });
});

test("a hop that cannot be opened fails the deployment, with the reason", async () => {
  const report = await deploy(host(toy.changes("a")), nowhere());
  assert.equal(report.status, "failed");
  const { name, message } = report.failure ?? {};
  assert.deepEqual(
    { name, message },
    { name: "ConnectionFailed", message: "via.nowhere(): there is no way" },
  );
  assert.deepEqual(toy.takeDone(), []);
});

describe("stop and cancel", () => {
  const begun = (deployment: { subscribe(listener: (event: DeployEvent) => void): unknown }, text: string) =>
    new Promise<void>((settled) =>
      deployment.subscribe((event) => event.kind === "step-output" && event.text.includes(text) && settled()),
    );

  test("stop: the running step finishes, the rest is skipped", async () => {
    const go = path.join(dir, "go");
    const deployment = deploy(
      host(toy.runs(`echo on; while [ ! -e ${go} ]; do sleep 0.02; done`), toy.changes("b"), toy.atEnd("c")),
    );
    await begun(deployment, "on");
    deployment.stop();
    await pause(50);
    assert.equal(deployment.over, false);
    writeFileSync(go, "");
    const report = await deployment;
    assert.deepEqual(
      outline(report.steps).map((line) => line.replace(/while.*done/, "…")),
      [
        "changed echo on; …",
        "skipped b (the deployment was stopped)",
        "skipped c (the deployment was stopped)",
      ],
    );
    assert.deepEqual([report.status, report.ok, report.skipped.length], ["cancelled", false, 2]);
    assert.equal(report.failure?.message, "the deployment was stopped");
    assert.deepEqual(toy.takeDone(), []);
  });

  test("cancel: the running step is ended too", async () => {
    const deployment = deploy(host(toy.runs("echo on; sleep 60"), toy.changes("b")));
    await begun(deployment, "on");
    const inTime = promised(10, "a cancel");
    deployment.cancel();
    const report = await deployment;
    inTime();
    assert.deepEqual(outline(report.steps), [
      "failed echo on; sleep 60: Cancelled: cancelled: `echo on; sleep 60` was ended",
      "skipped b (the deployment was cancelled)",
    ]);
    assert.equal(report.status, "cancelled");
  });

  test("before the first step: no step runs", async () => {
    const deployment = deploy(host(toy.changes("a")));
    deployment.stop();
    const report = await deployment;
    assert.equal(report.status, "cancelled");
    assert.deepEqual(toy.takeDone(), []);
  });

  test("after the last step: no effect", async () => {
    const deployment = deploy(host(toy.changes("a")));
    const report = await deployment;
    deployment.stop();
    assert.equal(report.status, "changed");
    assert.equal((await deployment).status, "changed");
  });
});
