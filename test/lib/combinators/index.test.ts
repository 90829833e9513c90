import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import {
  concurrently,
  desc,
  eseqprops,
  eseqpropsUntil,
  ignoringHostattrs,
  onApplyChange,
  onChange,
  reapplied,
  seqprops,
  silentSeqprops,
  unapplied,
  withRequirements,
  withRequirementsForChange,
  withUnapply,
} from "../../../lib/combinators";
import { type Change, defprop, type PropApp } from "../../../lib/model/property";
import { list, object, propapp } from "../../../lib/model/schema";
import { as } from "../../../lib/nested/deploys";
import { applied, table } from "../../support/applying";
import * as toy from "../../support/toy";

beforeEach(() => void toy.takeDone());

describe("seqprops continues after a failure", () =>
  table({
    "all succeed": [
      () => seqprops(toy.changes("a"), toy.rests("b")),
      { change: "changed", steps: ["changed a", "unchanged b"] },
    ],
    "nothing to do": [
      () => seqprops(toy.rests("a"), toy.rests("b")),
      { change: "unchanged", steps: ["unchanged a", "unchanged b"] },
    ],
    "a failed step may have changed something": [
      () => seqprops(toy.fails("a"), toy.rests("b")),
      {
        change: "changed",
        failed: true,
        steps: ["failed a: FailedChange: a went wrong", "unchanged b"],
      },
    ],
    "an aborted step has not": [
      () => seqprops(toy.aborts("a"), toy.rests("b")),
      {
        change: "unchanged",
        failed: true,
        steps: ["failed a: AbortedChange: a cannot begin", "unchanged b"],
      },
    ],
    "only the aborted step is left out, at any depth": [
      () => seqprops(seqprops(toy.aborts("a"), toy.changes("b")), toy.changes("c")),
      {
        change: "changed",
        failed: true,
        steps: ["failed a: AbortedChange: a cannot begin", "changed b", "changed c"],
        done: ["b", "c"],
      },
    ],
    "an error of a property's author is a failure of that entry": [
      () => seqprops(toy.breaks("a"), toy.changes("b")),
      {
        change: "changed",
        failed: true,
        steps: ["failed a: TypeError: a is not a function", "changed b"],
      },
    ],
    "unapplied in reverse": [
      () => unapplied(seqprops(toy.changes("a"), toy.fails("b"), toy.changes("c"))),
      {
        change: "changed",
        failed: true,
        steps: ["changed not: c", "failed not: b: FailedChange: not b went wrong", "changed not: a"],
        done: ["not c", "not a"],
      },
    ],
  }));

describe("eseqprops stops at the first failure", () =>
  table({
    "the rest is skipped, with the reason": [
      () => eseqprops(toy.changes("a"), toy.fails("b"), toy.changes("c"), seqprops(toy.rests("d"))),
      {
        change: "changed",
        failed: true,
        steps: [
          "changed a",
          "failed b: FailedChange: b went wrong",
          "skipped c (toy.fails failed)",
          "skipped d (toy.fails failed)",
        ],
        done: ["a", "b"],
      },
    ],
    "as one entry of seqprops, after which the next is applied": [
      () => seqprops(eseqprops(toy.fails("a"), toy.changes("b")), toy.changes("c")),
      {
        change: "changed",
        failed: true,
        steps: ["failed a: FailedChange: a went wrong", "skipped b (toy.fails failed)", "changed c"],
        done: ["a", "c"],
      },
    ],
    "aborted immediately: nothing was changed": [
      () => seqprops(eseqprops(toy.aborts("a"), toy.changes("b"))),
      {
        change: "unchanged",
        failed: true,
        steps: ["failed a: AbortedChange: a cannot begin", "skipped b (toy.aborts failed)"],
      },
    ],
    "aborted after a change: that is still a change": [
      () => seqprops(eseqprops(toy.changes("a"), toy.aborts("b"))),
      {
        change: "changed",
        failed: true,
        steps: ["changed a", "failed b: AbortedChange: b cannot begin"],
      },
    ],
    "a tolerant sequence inside does not stop it": [
      () => eseqprops(seqprops(toy.fails("a")), toy.changes("b")),
      { change: "changed", failed: true, steps: ["failed a: FailedChange: a went wrong", "changed b"] },
    ],
    "parts of a property do the same": [
      () => toy.made("all", toy.fails("a"), toy.changes("b")),
      {
        change: "changed",
        failed: true,
        steps: [
          "failed all (a step inside it failed)",
          "  failed a: FailedChange: a went wrong",
          "  skipped b (toy.fails failed)",
        ],
      },
    ],
    "unapplied in reverse": [
      () => unapplied(eseqprops(toy.changes("a"), toy.fails("b"), toy.changes("c"))),
      {
        change: "changed",
        failed: true,
        steps: [
          "changed not: c",
          "failed not: b: FailedChange: not b went wrong",
          "skipped not: a (toy.fails failed)",
        ],
        done: ["not c"],
      },
    ],
    "parts unapplied in reverse": [
      () => unapplied(toy.made("all", toy.changes("a"), toy.changes("b"))),
      {
        change: "changed",
        steps: ["changed not: all", "  changed not: b", "  changed not: a"],
        done: ["not b", "not a"],
      },
    ],
  }));

describe("onChange", () => {
  table({
    "applies the rest when the first was changed": [
      () => onChange(toy.changes("a"), toy.changes("b"), toy.rests("c")),
      { change: "changed", steps: ["changed a", "changed b", "unchanged c"] },
    ],
    "and only then": [
      () => onChange(toy.rests("a"), toy.changes("b")),
      { change: "unchanged", steps: ["unchanged a"] },
    ],
    "does not apply the rest when the first failed": [
      () => seqprops(onChange(toy.fails("a"), toy.changes("b")), toy.rests("c")),
      {
        change: "changed",
        failed: true,
        steps: ["failed a: FailedChange: a went wrong", "skipped b (toy.fails failed)", "unchanged c"],
        done: ["a"],
      },
    ],
    "fails when the rest does": [
      () => eseqprops(onChange(toy.changes("a"), toy.fails("b"), toy.changes("c")), toy.changes("d")),
      {
        change: "changed",
        failed: true,
        steps: [
          "changed a",
          "failed b: FailedChange: b went wrong",
          "skipped c (toy.fails failed)",
          "skipped d (onChange failed)",
        ],
      },
    ],
    "unapplied with a change, applies the rest": [
      () => unapplied(onChange(toy.changes("a"), toy.changes("b"))),
      { change: "changed", steps: ["changed not: a", "changed b"], done: ["not a", "b"] },
    ],
    "unapplied without a change, does not": [
      () => unapplied(onChange(toy.rests("a"), toy.changes("b"))),
      { change: "unchanged", steps: ["unchanged not: a"], done: [] },
    ],
  });

  test("returns the result of the first, whatever the rest did", async () => {
    const cameTo: (Change | "failed" | "aborted")[] = [];
    const asks = defprop({
      name: "test.asks",
      kind: "posix",
      args: object({ applications: list(propapp()) }),
      call: (...applications: PropApp[]) => ({ applications }),
      inline: true,
      apply: async ({ applications }, _target, steps) => {
        for (const each of applications) cameTo.push(await steps.attempt(each));
        return "unchanged";
      },
    });
    await applied(
      asks(onChange(toy.rests("a"), toy.changes("b")), onChange(toy.changes("c"), toy.rests("d"))),
    );
    assert.deepEqual(cameTo, ["unchanged", "changed"]);
  });
});

describe("unapplied and as", () =>
  table({
    "unapplied unapplies, and is described as such": [
      () => unapplied(toy.changes("a")),
      { change: "changed", steps: ["changed not: a"], done: ["not a"] },
    ],
    "twice, it applies": [
      () => unapplied(unapplied(toy.changes("a"))),
      { change: "changed", steps: ["changed a"], done: ["a"] },
    ],
    "facts have nothing to unapply": [
      () => unapplied(toy.states("a")),
      { change: "unchanged", steps: ["unchanged not: a"] },
    ],
    'as("root", …) is strict': [
      () => seqprops(as("root", toy.fails("a"), toy.changes("b")), toy.changes("c")),
      {
        change: "changed",
        failed: true,
        steps: [
          "failed as root (a step inside it failed)",
          "  failed a: FailedChange: a went wrong",
          "  skipped b (toy.fails failed)",
          "changed c",
        ],
      },
    ],
    'as("root", …) undone, in reverse': [
      () => unapplied(as("root", toy.changes("a"), toy.changes("b"))),
      { change: "changed", steps: ["changed not: as root", "  changed not: b", "  changed not: a"] },
    ],
  }));

describe("empty values of conditions", () => {
  const cases: [name: string, application: PropApp, steps: string[]][] = [
    ["a sequence", seqprops(null, eseqprops(false), silentSeqprops(undefined), concurrently(null)), []],
    ["one that expects an error", eseqpropsUntil("MissingData", null), []],
    ["a trigger", onChange(null, toy.changes("a")), []],
    ["another trigger", onApplyChange(false, toy.changes("a")), []],
    ["a follow-up", onChange(toy.changes("a"), null), ["changed a"]],
    ["a property with requirements", withRequirementsForChange(null, toy.changes("a")), []],
    ["requirements", withRequirements(toy.changes("a"), null), ["changed a"]],
    ["a description", desc("all", null), []],
    ["unapplied", unapplied(seqprops(null, unapplied(false), desc("all", null))), []],
    ["with a custom unapply", withUnapply([null], [false]), []],
    ["reapplied", reapplied(null), ["unchanged reapplied: nothing"]],
    ["ignored facts", ignoringHostattrs(null), []],
  ];
  for (const [name, application, steps] of cases)
    test(`${name}: it is neither applied nor reported`, async () => {
      const came = await applied(application);
      assert.deepEqual([came.steps, came.failed], [steps, false]);
    });

  test("other values that are not properties are refused", () => {
    assert.throws(() => onChange(toy.changes as never, toy.changes("a")), {
      name: "InvalidArguments",
      message: 'onChange: args.when is a function; it must be a property, such as cmd.single("true")',
    });
  });
});
