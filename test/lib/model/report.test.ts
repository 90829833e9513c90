import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Failure } from "../../../lib/model/errors";
import type { StepEvent, StepStatus } from "../../../lib/model/events";
import { fleetReport, type Report, Reporter } from "../../../lib/model/report";
import { outline } from "../../support/outline";

const started = (step: number, desc: string, parent?: number): StepEvent => ({
  kind: "step-started",
  step,
  ...(parent !== undefined && { parent }),
  property: `toy.${desc}`,
  desc,
  site: `hosts/web.ts:${step}:1`,
});
const output = (step: number, stream: "stdout" | "stderr", text: string): StepEvent => ({
  kind: "step-output",
  step,
  stream,
  text,
});
const ended = (
  step: number,
  status: StepStatus,
  more: { reason?: string; failure?: Failure } = {},
): StepEvent => ({
  kind: "step-ended",
  step,
  status,
  ms: step * 1.5,
  ...more,
});
const failure: Failure = { name: "FailedChange", message: "it went wrong" };

function report(status: Report["status"], events: StepEvent[], why?: Failure): Report {
  const reporter = new Reporter();
  for (const event of events) reporter.add(event);
  return reporter.finish("web1", "d1", status, 12.4, why);
}

const ran = (command: string, exit?: number, step?: number): StepEvent => ({
  kind: "command-ran",
  ...(step !== undefined && { step }),
  command,
  ...(exit !== undefined && { exit }),
  ms: 2,
});
const beginning = (verbose: boolean): StepEvent => ({
  kind: "deployment-started",
  at: "2026-01-01T00:00:00.000Z",
  hops: [],
  steps: 2,
  ...(verbose && { verbose }),
});

describe("a report", () => {
  test("of a verbose deployment has all commands, and each step its own", () => {
    const { steps, commands } = report("changed", [
      beginning(true),
      ran("test -e /mark", 1),
      started(1, "a"),
      ran("one", 0, 1),
      ran("two", undefined, 1),
      ended(1, "changed"),
      started(2, "b"),
      ended(2, "unchanged"),
    ]);
    const [mark, one, two] = [
      { step: undefined, command: "test -e /mark", exit: 1, ms: 2 },
      { step: 1, command: "one", exit: 0, ms: 2 },
      { step: 1, command: "two", exit: undefined, ms: 2 },
    ];
    assert.deepEqual(commands, [mark, one, two]);
    assert.deepEqual(
      steps.map((step) => step.commands),
      [[one, two], []],
    );
  });

  test("of other deployments has no commands", () => {
    const { steps, ...rest } = report("changed", [beginning(false), started(1, "a"), ended(1, "changed")]);
    assert.ok(!("commands" in rest) && steps.every((step) => !("commands" in step)));
  });

  test("has each step with everything that its events reported", () => {
    const { steps, ...rest } = report("changed", [
      started(1, "all"),
      started(2, "a", 1),
      output(2, "stdout", "one\n"),
      output(2, "stderr", "two\n"),
      ended(2, "changed"),
      ended(1, "changed"),
    ]);
    assert.deepEqual(steps[1], {
      step: 2,
      parent: 1,
      property: "toy.a",
      desc: "a",
      site: "hosts/web.ts:2:1",
      status: "changed",
      ms: 3,
      reason: undefined,
      failure: undefined,
      changes: [],
      output: "one\ntwo\n",
    });
    assert.deepEqual([rest.host, rest.deployment, rest.ms], ["web1", "d1", 12]);
  });

  test("lists as changed and skipped the innermost steps, not those around them", () => {
    const { changed, skipped, failed, ok } = report("failed", [
      started(1, "all"),
      started(2, "a", 1),
      ended(2, "changed"),
      started(3, "b", 1),
      ended(3, "failed", { failure }),
      started(4, "c", 1),
      ended(4, "skipped", { reason: "toy.b failed" }),
      ended(1, "failed", { reason: "a step inside it failed" }),
    ]);
    assert.deepEqual(outline(changed), ["changed a"]);
    assert.deepEqual(outline(failed), ["failed b: FailedChange: it went wrong"]);
    assert.deepEqual(outline(skipped), ["skipped c (toy.b failed)"]);
    assert.equal(ok, false);
  });

  test("a step without an end event is unfinished", () => {
    assert.deepEqual(outline(report("failed", [started(1, "a")]).steps), ["unfinished a"]);
  });

  test("other events make no steps, and events of a step that never started are ignored", () => {
    const events: StepEvent[] = [
      { kind: "notice", text: "a" },
      output(7, "stdout", "a"),
      ended(7, "changed"),
    ];
    assert.deepEqual(report("unchanged", events).steps, []);
  });

  const statuses: [status: Report["status"], ok: boolean][] = [
    ["changed", true],
    ["unchanged", true],
    ["failed", false],
    ["refused", false],
    ["cancelled", false],
    ["detached", false],
  ];
  for (const [status, ok] of statuses) {
    test(`${status} is ${ok ? "ok" : "not ok"}`, () => {
      assert.equal(report(status, []).ok, ok);
      assert.equal(report(status, [], failure).failure, failure);
    });
  }

  test("with a failed step it is not ok, whatever its status", () => {
    assert.equal(report("changed", [started(1, "a"), ended(1, "failed", { failure })]).ok, false);
  });

  test("is plain data", () => {
    const made = report("failed", [started(1, "a"), ended(1, "failed", { failure })], failure);
    assert.deepEqual(JSON.parse(JSON.stringify(made)).failed[0].failure, failure);
  });
});

describe("the report of several hosts", () => {
  const well = report("changed", [started(1, "a"), ended(1, "changed")]);
  const idle = report("unchanged", []);
  const bad = report("refused", [], failure);

  test("is ok when all reports are", () => {
    assert.equal(fleetReport([well, idle], 3.6).ok, true);
    assert.equal(fleetReport([well, bad], 1).ok, false);
    assert.equal(fleetReport([], 1).ok, true);
  });

  test("lists the changed and failed hosts", () => {
    const fleet = fleetReport([well, idle, bad], 3.6);
    assert.deepEqual([fleet.changed, fleet.failed, fleet.ms], [[well], [bad], 4]);
    assert.deepEqual(fleet.reports, [well, idle, bad]);
  });
});
