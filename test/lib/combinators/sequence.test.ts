import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import {
  concurrently,
  eseqprops,
  eseqpropsUntil,
  seqprops,
  silentSeqprops,
  unapplied,
  withRequirements,
} from "../../../lib/combinators";
import { prepare } from "../../../lib/engine/prepare";
import { AbortedChange, ConnectionFailed, InvalidArguments } from "../../../lib/model/errors";
import { defprop } from "../../../lib/model/property";
import { object, string } from "../../../lib/model/schema";
import { applied, table } from "../../support/applying";
import * as toy from "../../support/toy";

beforeEach(() => void toy.takeDone());

/** An error class defined by the consfig. */
class NoRoom extends AbortedChange {}

const args = object({ what: string() });
const call = (what: string) => ({ what });
const desc = ({ what }: { what: string }) => what;

const needsRoom = defprop({
  name: "test.needsRoom",
  kind: "posix",
  args,
  call,
  desc,
  apply: async ({ what }) => {
    throw new NoRoom(`no room for ${what}`);
  },
  unapply: async ({ what }) => {
    throw new NoRoom(`no room to undo ${what}`);
  },
});

const loses = defprop({
  name: "test.loses",
  kind: "posix",
  args,
  call,
  desc,
  apply: async () => {
    throw new ConnectionFailed("via.local()", "the link was lost");
  },
});

describe("silentSeqprops", () =>
  table({
    "its elements are not steps, the properties in them are": [
      () => silentSeqprops(toy.changes("a"), toy.made("all", toy.changes("b")), toy.rests("c")),
      { change: "changed", steps: ["changed b"], done: ["a", "b"] },
    ],
    "but a failure is reported": [
      () => silentSeqprops(toy.changes("a"), toy.fails("b"), toy.changes("c")),
      {
        change: "changed",
        failed: true,
        steps: ["failed b: FailedChange: b went wrong"],
        done: ["a", "b", "c"],
      },
    ],
    "unapplied in reverse": [
      () => unapplied(silentSeqprops(toy.changes("a"), toy.fails("b"), seqprops(toy.changes("c")))),
      {
        change: "changed",
        failed: true,
        steps: ["changed not: c", "failed not: b: FailedChange: not b went wrong"],
        done: ["not c", "not a"],
      },
    ],
  }));

describe("eseqpropsUntil", () => {
  table({
    "without such an error it is eseqprops": [
      () => eseqpropsUntil("NoRoom", toy.changes("a"), toy.rests("b")),
      { change: "changed", steps: ["changed a", "unchanged b"] },
    ],
    "with such an error, that step and the rest are skipped, and nothing failed": [
      () =>
        seqprops(
          eseqpropsUntil("NoRoom", toy.changes("a"), needsRoom("b"), toy.changes("c")),
          toy.changes("d"),
        ),
      {
        change: "changed",
        steps: [
          "changed a",
          "skipped b (NoRoom: no room for b)",
          "skipped c (test.needsRoom: NoRoom: no room for b)",
          "changed d",
        ],
        done: ["a", "d"],
      },
    ],
    "a base class matches, too": [
      () => eseqpropsUntil("AbortedChange", needsRoom("a"), toy.changes("b")),
      {
        change: "unchanged",
        steps: ["skipped a (NoRoom: no room for a)", "skipped b (test.needsRoom: NoRoom: no room for a)"],
      },
    ],
    "so does any other error class": [
      () => eseqpropsUntil("TypeError", toy.breaks("a"), toy.changes("b")),
      {
        change: "changed",
        steps: [
          "skipped a (TypeError: a is not a function)",
          "skipped b (toy.breaks: TypeError: a is not a function)",
        ],
      },
    ],
    "at any depth, and through tolerant sequences": [
      () =>
        eseqpropsUntil(
          "NoRoom",
          seqprops(toy.made("all", needsRoom("a")), toy.changes("b")),
          toy.changes("c"),
        ),
      {
        change: "unchanged",
        steps: [
          "skipped all (a step inside it was skipped)",
          "  skipped a (NoRoom: no room for a)",
          "skipped b (toy.made: NoRoom: no room for a)",
          "skipped c (seqprops: NoRoom: no room for a)",
        ],
        done: [],
      },
    ],
    "any other failure is a failure": [
      () => seqprops(eseqpropsUntil("NoRoom", toy.fails("a"), toy.changes("b")), toy.changes("c")),
      {
        change: "changed",
        failed: true,
        steps: ["failed a: FailedChange: a went wrong", "skipped b (toy.fails failed)", "changed c"],
      },
    ],
    "outside it, it is a failure": [
      () => seqprops(eseqpropsUntil("NoRoom", toy.rests("a")), needsRoom("b")),
      { change: "unchanged", failed: true, steps: ["unchanged a", "failed b: NoRoom: no room for b"] },
    ],
    "unapplied by the same rule": [
      () => unapplied(eseqpropsUntil("NoRoom", toy.changes("a"), needsRoom("b"), toy.changes("c"))),
      {
        change: "changed",
        steps: [
          "changed not: c",
          "skipped not: b (NoRoom: no room to undo b)",
          "skipped not: a (test.needsRoom: NoRoom: no room to undo b)",
        ],
      },
    ],
  });

  test("a lost connection never counts as expected", async () => {
    await assert.rejects(
      applied(eseqpropsUntil("FailedChange", loses("a"), toy.changes("b"))),
      new ConnectionFailed("via.local()", "the link was lost"),
    );
  });

  test("an invalid class name is refused", () => {
    assert.throws(
      () => eseqpropsUntil("no room", toy.rests("a")),
      new InvalidArguments(
        'eseqpropsUntil: args.error is "no room"; it must be the name of a class, such as "AbortedChange"',
      ),
    );
  });
});

describe("withRequirements", () =>
  table({
    "the last one is applied first": [
      () => withRequirements(toy.changes("a"), toy.changes("b"), toy.changes("c")),
      { change: "changed", steps: ["changed c", "changed b", "changed a"] },
    ],
    "a failure stops the rest": [
      () => withRequirements(toy.changes("a"), toy.changes("b"), toy.fails("c")),
      {
        change: "changed",
        failed: true,
        steps: [
          "failed c: FailedChange: c went wrong",
          "skipped b (toy.fails failed)",
          "skipped a (toy.fails failed)",
        ],
        done: ["c"],
      },
    ],
    undone: [
      () => unapplied(withRequirements(toy.changes("a"), toy.changes("b"))),
      { change: "changed", steps: ["changed not: a", "changed not: b"] },
    ],
  }));

/** Takes a while, and prints at its start and end. */
let underWay = 0;
let most = 0;
const takes = defprop({
  name: "test.takes",
  kind: "posix",
  args,
  call,
  desc,
  apply: async ({ what }, target) => {
    underWay += 1;
    most = Math.max(most, underWay);
    target.inform(`begin ${what}`);
    await pause(20);
    target.inform(`end ${what}`);
    target.atEnd(what, async () => {});
    target.memory.set(what, true);
    underWay -= 1;
    return "changed";
  },
});

describe("concurrently", () => {
  const names = ["a", "b", "c", "d", "e", "f"];

  test("four at once, each with its own output", async () => {
    most = 0;
    const { steps, change, events } = await applied(concurrently(...names.map((name) => takes(name))));
    assert.equal(most, 4);
    assert.equal(change, "changed");
    assert.deepEqual(
      steps.slice(0, 6),
      names.map((name) => `changed ${name}`),
    );
    assert.deepEqual(
      steps.slice(6),
      names.map(() => "changed at the end"),
    );
    const steppers = events.flatMap((event) => (event.kind === "step-started" ? [event] : []));
    for (const name of names) {
      const { step } = steppers.find((event) => event.desc === name) ?? {};
      const printed = events.flatMap((event) =>
        event.kind === "step-output" && event.step === step ? [event.text] : [],
      );
      assert.deepEqual(printed, [`begin ${name}\n`, `end ${name}\n`]);
    }
  });

  test("up to `atOnce`", async () => {
    most = 0;
    await applied(concurrently({ atOnce: 2 }, ...names.map((name) => takes(name))));
    assert.equal(most, 2);
    assert.throws(() => concurrently({ atOnce: 0 }), /concurrently: args\.atOnce is 0; it must be >= 1/);
  });

  table({
    "a failure does not stop the others": [
      () =>
        concurrently(
          { atOnce: 1 },
          toy.fails("a"),
          eseqprops(toy.aborts("b"), toy.changes("c")),
          toy.changes("d"),
        ),
      {
        change: "changed",
        failed: true,
        steps: [
          "failed a: FailedChange: a went wrong",
          "failed b: AbortedChange: b cannot begin",
          "skipped c (toy.aborts failed)",
          "changed d",
        ],
      },
    ],
    "an aborted step next to a change has changed nothing": [
      () => concurrently(seqprops(toy.aborts("a")), seqprops(toy.rests("b"))),
      {
        change: "unchanged",
        failed: true,
        steps: ["failed a: AbortedChange: a cannot begin", "unchanged b"],
      },
    ],
    "unapplied, the last one starts": [
      () => unapplied(concurrently({ atOnce: 1 }, toy.changes("a"), toy.changes("b"))),
      { change: "changed", steps: ["changed not: b", "changed not: a"] },
    ],
    "when an expected error ends it, the steps not started are skipped": [
      () =>
        eseqpropsUntil(
          "NoRoom",
          concurrently({ atOnce: 1 }, needsRoom("a"), toy.changes("b")),
          toy.changes("c"),
        ),
      {
        change: "unchanged",
        steps: [
          "skipped a (NoRoom: no room for a)",
          "skipped b (test.needsRoom: NoRoom: no room for a)",
          "skipped c (concurrently: NoRoom: no room for a)",
        ],
      },
    ],
  });

  test("when the link is lost, running steps are awaited, and the rest is skipped", async () => {
    underWay = 0;
    const ended: string[] = [];
    await assert.rejects(
      applied(concurrently({ atOnce: 2 }, loses("a"), takes("b"), toy.changes("c"), toy.changes("d")), {
        emit: (event) => event.kind === "step-ended" && void ended.push(`${event.step} ${event.status}`),
      }),
      ConnectionFailed,
    );
    assert.equal(underWay, 0);
    assert.deepEqual(toy.takeDone(), []);
    assert.deepEqual(ended, ["1 failed", "2 changed", "3 skipped", "4 skipped"]);
  });
});

test("each refuses to unapply an irreversible property", () => {
  const way = toy.oneWay("a");
  const rest = toy.rests("b");
  for (const sequence of [
    silentSeqprops(rest, way),
    eseqpropsUntil("NoRoom", rest, way),
    withRequirements(rest, way),
    concurrently(rest, way),
  ]) {
    assert.throws(() => prepare({ name: "web1" }, unapplied(sequence)), /: toy\.oneWay cannot be unapplied$/);
  }
});
