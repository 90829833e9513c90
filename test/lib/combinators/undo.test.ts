import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { eseqprops, reapplied, seqprops, unapplied, withUnapply } from "../../../lib/combinators";
import { prepare } from "../../../lib/engine/prepare";
import { HostModel } from "../../../lib/model/host";
import { defprop } from "../../../lib/model/property";
import { object } from "../../../lib/model/schema";
import { table } from "../../support/applying";
import * as toy from "../../support/toy";

beforeEach(() => void toy.takeDone());

/** Compares a datum, which only what is applied requires. */
const keepsDatum = defprop({
  name: "probe.keepsDatum",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  hostattrs: (_args, host) => host.requireData("_probe", "token"),
  check: async (_args, target) => (await target.data("_probe", "token")).size > 0,
  apply: async () => "changed",
  unapply: async () => "changed",
});

describe("unapplied", () => {
  table({
    "a check that needs data has no answer": [
      () => unapplied(keepsDatum()),
      { change: "changed", steps: ["changed not: probe.keepsDatum({})"] },
    ],
  });
});

describe("reapplied", () => {
  table({
    "unapplies and applies again, inside one step": [
      () => reapplied(toy.changes("a")),
      {
        change: "changed",
        steps: ["changed reapplied: a", "  changed not: a", "  changed a"],
        done: ["not a", "a"],
      },
    ],
    "returns the result of applying": [
      () => reapplied(toy.rests("a")),
      { change: "unchanged", steps: ["unchanged reapplied: a", "  unchanged not: a", "  unchanged a"] },
    ],
    "is not applied when unapplying failed": [
      () => seqprops(reapplied(toy.fails("a")), toy.rests("b")),
      {
        change: "changed",
        failed: true,
        steps: [
          "failed reapplied: a (a step inside it failed)",
          "  failed not: a: FailedChange: not a went wrong",
          "unchanged b",
        ],
      },
    ],
    "its description names several": [
      () => eseqprops(toy.fails("x"), reapplied(seqprops(toy.rests("a"), toy.rests("b")))),
      {
        change: "changed",
        failed: true,
        steps: ["failed x: FailedChange: x went wrong", "skipped reapplied: a, b (toy.fails failed)"],
      },
    ],
  });

  test("refuses an irreversible property, and cannot be unapplied itself", () => {
    assert.throws(
      () => prepare({ name: "web1" }, reapplied(toy.oneWay("a"))),
      /: toy\.oneWay cannot be unapplied$/,
    );
    assert.throws(
      () => prepare({ name: "web1" }, unapplied(reapplied(toy.changes("a")))),
      /: reapplied cannot be unapplied$/,
    );
  });
});

describe("withUnapply", () => {
  table({
    "applies the first": [
      () => withUnapply([toy.oneWay("a"), false, toy.changes("b")], [toy.changes("c")]),
      { change: "changed", steps: ["changed a", "changed b"], done: ["a", "b"] },
    ],
    "unapplied, applies the others": [
      () => unapplied(withUnapply([toy.oneWay("a")], [toy.oneWay("c"), toy.rests("d")])),
      { change: "changed", steps: ["changed c", "unchanged d"], done: ["c"] },
    ],
    "without others it is eseqprops": [
      () => unapplied(withUnapply([toy.changes("a"), toy.changes("b")])),
      { change: "changed", steps: ["changed not: b", "changed not: a"] },
    ],
    "when skipped, only the steps that would have run are reported": [
      () =>
        eseqprops(
          toy.fails("x"),
          withUnapply([toy.changes("a")], [toy.changes("b")]),
          unapplied(withUnapply([toy.changes("a")], [toy.changes("b")])),
          unapplied(withUnapply([toy.changes("a")])),
        ),
      {
        change: "changed",
        failed: true,
        steps: [
          "failed x: FailedChange: x went wrong",
          "skipped a (toy.fails failed)",
          "skipped b (toy.fails failed)",
          "skipped not: a (toy.fails failed)",
        ],
      },
    ],
  });

  test("the facts of `instead` are not recorded", () => {
    const model = HostModel.named("web1");
    prepare({ name: "web1" }, withUnapply([toy.states("a")], [toy.states("b")]), model);
    assert.deepEqual(model.all(toy.fact), ["a"]);
  });

  test("can be unapplied with `instead`, else when each can", () => {
    assert.throws(
      () => prepare({ name: "web1" }, unapplied(withUnapply([toy.oneWay("a")]))),
      /: toy\.oneWay cannot be unapplied$/,
    );
  });
});
