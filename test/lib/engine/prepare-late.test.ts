/** A property applied by another's `apply`. */
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { ignoringHostattrs, seqprops } from "../../../lib/combinators";
import { prepare } from "../../../lib/engine/prepare";
import { InapplicableProperty } from "../../../lib/model/errors";
import { HostModel } from "../../../lib/model/host";
import { defprop, defproplist, type PropApp, type Steps } from "../../../lib/model/property";
import { object, string } from "../../../lib/model/schema";
import { applied, assertApplied } from "../../support/applying";
import * as toy from "../../support/toy";

let made: (steps: Steps) => Promise<unknown>;
beforeEach(() => void toy.takeDone());

/** Runs a function of the test inside a step. */
const outer = defprop({
  name: "test.outer",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "outer",
  hostattrs: (_args, host) => host.push(toy.fact, "known"),
  apply: async (_args, _target, steps) => {
    await made(steps);
    return "unchanged";
  },
});

const args = object({ what: string() });
const call = (what: string) => ({ what });

/** Shouts, and refuses a host called quiet. */
const shouts = defprop({
  name: "test.shouts",
  kind: "posix",
  args,
  call,
  preprocess: ({ what }) => ({ what: what.toUpperCase() }),
  desc: ({ what }) => what,
  hostattrs: ({ what }) => {
    if (what === "QUIET") throw new InapplicableProperty("it is too loud");
  },
  apply: async () => "changed",
});

/** Has parts computed from the host's facts. */
const ofFacts = defproplist({
  name: "test.ofFacts",
  args: object({}),
  call: () => ({}),
  desc: () => "of facts",
  parts: (_args, host) => host.all(toy.fact).map((fact) => toy.changes(fact)),
});

const needsData = defprop({
  name: "test.needsData",
  kind: "posix",
  args,
  call,
  desc: ({ what }) => what,
  hostattrs: ({ what }, host) => host.requireData("files", what),
  apply: async () => "unchanged",
});

async function applying(act: (steps: Steps) => Promise<unknown>, kind: "posix" | "agent" = "agent") {
  made = act;
  return applied(seqprops(outer()), { kind });
}

describe("a property that another applies", () => {
  test("is prepared, and is a step inside that one", async () => {
    assertApplied(await applying((steps) => steps.apply(seqprops(shouts("hey"), toy.rests("b")))), {
      change: "changed",
      steps: ["unchanged outer", "  changed HEY", "  unchanged b"],
    });
  });

  test("knows the facts of the host", async () => {
    assertApplied(await applying((steps) => steps.apply(ofFacts())), {
      change: "changed",
      steps: ["unchanged outer", "  changed of facts", "    changed known"],
    });
  });

  test("returns its result, and can be unapplied", async () => {
    const came: unknown[] = [];
    await applying(async (steps) => {
      came.push(await steps.apply(toy.changes("a")), await steps.apply(toy.rests("b")));
      came.push(await steps.unapply(toy.changes("a")), await steps.attempt(toy.fails("c")));
    });
    assert.deepEqual(came, ["changed", "unchanged", "changed", "failed"]);
  });

  const refusals: Record<string, [application: () => PropApp, steps: RegExp]> = {
    "that does not fit": [
      () => shouts("quiet"),
      /^ {2}failed QUIET|^ {2}failed quiet: AbortedChange: test\.shouts\('quiet'\) at \S+: it is too loud$/,
    ],
    "that there is not": [
      () => ({ property: "test.shuots", args: {}, site: "here:1:1" }),
      /^ {2}failed test\.shuots\(\{\}\): AbortedChange: test\.shuots\(\{\}\) at here:1:1: there is no property test\.shuots; did you mean test\.shouts\b.*\?$/,
    ],
    "whose arguments do not fit": [
      () => ({ property: "test.shouts", args: { what: 1 }, site: "here:1:1" }),
      /AbortedChange: test\.shouts\(\{ what: 1 \}\) at here:1:1: args\.what is 1; it must be a string$/,
    ],
  };
  for (const [name, [application, expected]] of Object.entries(refusals)) {
    test(`${name} is aborted: nothing was changed`, async () => {
      const { steps, failed, change } = await applying((each) => each.attempt(application()));
      assert.equal(steps[0], "unchanged outer");
      assert.match(steps[1] ?? "", expected);
      assert.deepEqual([failed, change], [true, "unchanged"]);
    });
  }

  test("that needs an agent is aborted without one, before any of its parts is applied", async () => {
    const both = () => seqprops(toy.changes("a"), toy.needsAgent("b"));
    const { steps, done } = await applying((each) => each.attempt(both()), "posix");
    assert.match(
      steps[1] ?? "",
      /^ {2}failed a, b: AbortedChange: toy\.needsAgent\('b'\) at \S+ needs an agent on the host; add via\.agent\(\) to its hops$/,
    );
    assert.deepEqual(done, []);
    assert.deepEqual((await applying((each) => each.attempt(both()))).done, ["a", "b"]);
  });
});

describe("facts that it records", () => {
  test("are lost, with a notice", async () => {
    const { notices, steps } = await applying((each) => each.apply(needsData("key")));
    assert.deepEqual(steps, ["unchanged outer", "  unchanged key"]);
    assert.equal(notices.length, 1);
    assert.match(
      notices[0] ?? "",
      /^test\.needsData\(\{ what: 'key' \}\) at \S+ was applied by another property, so the facts it records about the host are lost \(data\); record them in the hostattrs of that property, or wrap it in ignoringHostattrs\(…\)$/,
    );
  });

  test("are not reported when the host has them already, or inside ignoringHostattrs", async () => {
    const known = await applying((each) => each.apply(toy.states("known")));
    assert.deepEqual(known.notices, []);
    const ignored = await applying((each) => each.apply(ignoringHostattrs(needsData("key"))));
    assert.deepEqual(ignored.notices, []);
  });

  test("are not recorded on the deployed host", () => {
    const model = HostModel.named("web1");
    prepare({ name: "web1" }, outer(), model);
    assert.deepEqual(model.all(toy.fact), ["known"]);
  });
});
