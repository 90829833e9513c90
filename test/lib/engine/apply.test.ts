import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { inspect } from "node:util";
import { targetOf } from "consfigurator/testing";
import { eseqprops, onChange, seqprops, unapplied } from "../../../lib/combinators";
import { prepare } from "../../../lib/engine/prepare";
import { Cancelled, ConnectionFailed, FailedChange } from "../../../lib/model/errors";
import { type Change, defprop, defproplist, type PropApp } from "../../../lib/model/property";
import { boolean, object, oneOf, propapp, string } from "../../../lib/model/schema";
import { type Applied, applied, assertApplied, table } from "../../support/applying";
import * as toy from "../../support/toy";

beforeEach(() => void toy.takeDone());

describe("one property", () => {
  /** Has the named slots, and records which of them were called. */
  const slots = ["hostattrs", "check", "apply", "unapply"] as const;
  let asked: string[] = [];
  const withSlots = (has: readonly (typeof slots)[number][], held: boolean) => {
    let holds = held;
    const all = {
      hostattrs: () => {},
      check: async () => {
        asked.push("check");
        return holds;
      },
      apply: async (): Promise<Change> => {
        asked.push("apply");
        holds = true;
        return "changed";
      },
      unapply: async (): Promise<Change> => {
        asked.push("unapply");
        return "changed";
      },
    };
    const chosen = Object.fromEntries(has.map((slot) => [slot, all[slot]]));
    return defprop({ name: "test.slots", kind: "posix", args: object({}), call: () => ({}), ...chosen });
  };
  beforeEach(() => {
    asked = [];
  });

  const rules: [
    has: readonly (typeof slots)[number][],
    holds: boolean,
    apply: [asked: string, came: string],
    unapply: [asked: string, came: string] | "refused",
  ][] = [
    [["apply"], false, ["apply", "changed"], "refused"],
    [["apply", "unapply"], false, ["apply", "changed"], ["unapply", "changed"]],
    [["check", "apply"], true, ["check", "unchanged"], "refused"],
    [["check", "apply", "unapply"], true, ["check", "unchanged"], ["check unapply", "changed"]],
    [["check", "apply", "unapply"], false, ["check apply check", "changed"], ["check", "unchanged"]],
    [["hostattrs"], false, ["", "unchanged"], ["", "unchanged"]],
    [["hostattrs", "check"], true, ["check", "unchanged"], ["", "unchanged"]],
    [["hostattrs", "check"], false, ["check", "unchanged"], ["", "unchanged"]],
    [["hostattrs", "unapply"], false, ["", "unchanged"], ["unapply", "changed"]],
    [
      ["unapply"],
      false,
      ["", "AbortedChange: test.slots has nothing to apply; is the file that defines it complete?"],
      ["unapply", "changed"],
    ],
  ];
  for (const [has, holds, apply, unapply] of rules) {
    const title = `with ${has.join(", ")}${has.includes("check") ? `, which says ${holds}` : ""}`;
    const cameTo = ({ events }: Applied) =>
      events.flatMap((event) =>
        event.kind === "step-ended"
          ? [event.failure ? `${event.failure.name}: ${event.failure.message}` : event.status]
          : [],
      );
    test(`${title}: apply`, async () => {
      const outcome = await applied(withSlots(has, holds)());
      assert.deepEqual([asked.join(" "), ...cameTo(outcome)], apply);
    });
    test(`${title}: unapply`, async () => {
      const application = withSlots(has, holds)();
      if (unapply === "refused") {
        assert.throws(
          () => prepare({ name: "web1" }, unapplied(application)),
          /test\.slots cannot be unapplied/,
        );
        return;
      }
      const outcome = await applied(unapplied(application));
      assert.deepEqual([asked.join(" "), ...cameTo(outcome)], unapply);
    });
  }

  const afterwards: [slots: object, outcome: string][] = [
    [
      { check: async () => false },
      "FailedChange: applied without an error, but it does not hold: the check of test.after still returns false",
    ],
    [
      { check: async () => false, verify: async () => "the answer is 3, not 4" },
      "FailedChange: applied without an error, but it does not hold: the answer is 3, not 4",
    ],
    [
      { verify: async () => "the answer is 3, not 4" },
      "FailedChange: applied without an error, but it does not hold: the answer is 3, not 4",
    ],
    [{ check: async () => false, verify: async () => undefined }, "changed"],
    [
      { check: async () => false, apply: async () => "unchanged", verify: async () => undefined },
      "unchanged",
    ],
    [
      { check: async () => false, apply: async () => "unchanged" },
      "FailedChange: applied without an error, but it does not hold: the check of test.after still returns false",
    ],
    [{ apply: async () => "unchanged", verify: async () => "never asked" }, "unchanged"],
    [
      { verify: async () => true },
      "TypeError: verify of test.after returned true; it must return undefined, or what was seen as text",
    ],
  ];
  for (const kind of ["agent", "posix"] as const) {
    for (const [given, outcome] of afterwards) {
      test(`after apply, on ${kind}, with ${inspect(given)}: ${outcome}`, async () => {
        const property = defprop({
          name: "test.after",
          kind: "posix",
          args: object({}),
          call: () => ({}),
          apply: async () => "changed",
          ...given,
        });
        const { events } = await applied(property(), { kind });
        const ends = events.flatMap((event) => (event.kind === "step-ended" ? [event] : []));
        assert.deepEqual(
          ends.map(({ status, failure }) => (failure ? `${failure.name}: ${failure.message}` : status)),
          [outcome],
        );
      });
    }
  }

  const answers: [slot: "check" | "apply" | "unapply", answer: unknown, text: string][] = [
    ["apply", undefined, 'apply of test.answers returned undefined; it must return "changed" or "unchanged"'],
    ["apply", true, 'apply of test.answers returned true; it must return "changed" or "unchanged"'],
    ["unapply", "done", 'unapply of test.answers returned \'done\'; it must return "changed" or "unchanged"'],
    ["check", 1, "check of test.answers returned 1; it must return true or false"],
    ["check", undefined, "check of test.answers returned undefined; it must return true or false"],
  ];
  for (const [slot, answer, text] of answers) {
    test(`${slot} that returns ${String(answer)} fails`, async () => {
      const answers = defprop({
        name: "test.answers",
        kind: "posix",
        args: object({}),
        call: () => ({}),
        desc: () => "it",
        apply: async () => "changed",
        [slot]: async () => answer as never,
      });
      const outcome = await applied(slot === "unapply" ? unapplied(answers()) : answers());
      assertApplied(outcome, {
        change: "changed",
        failed: true,
        steps: [`failed ${slot === "unapply" ? "not: it" : "it"}: TypeError: ${text}`],
        done: [],
      });
    });
  }

  for (const thrown of ["no paint", { code: 5 }, undefined]) {
    test(`one that throws ${inspect(thrown)} fails once`, async () => {
      const throws = defprop({
        name: "test.throws",
        kind: "posix",
        args: object({}),
        call: () => ({}),
        desc: () => "it",
        apply: () => Promise.reject(thrown),
      });
      const text = typeof thrown === "string" ? thrown : inspect(thrown);
      assertApplied(await applied(eseqprops(throws(), toy.changes("b"))), {
        change: "changed",
        failed: true,
        steps: [`failed it: Error: ${text}`, "skipped b (test.throws failed)"],
        done: [],
      });
    });
  }

  test("fails when a combinator unapplies it without checking that it can", async () => {
    const careless = defprop({
      name: "test.careless",
      kind: "posix",
      args: object({ application: propapp() }),
      call: (application: PropApp) => ({ application }),
      inline: true,
      apply: ({ application }, _target, steps) => steps.unapply(application),
    });
    assertApplied(await applied(careless(toy.oneWay("a"))), {
      change: "changed",
      failed: true,
      steps: ["failed not: a: FailedChange: toy.oneWay cannot be unapplied"],
      done: [],
    });
  });
});

describe("reported steps", () => {
  test("each step starts and ends once, with its site, and its output in between", async () => {
    const runs = toy.runs("echo a; echo b >&2");
    const { events } = await applied(seqprops(runs));
    const [started, ...others] = events;
    const last = others.pop();
    assert.deepEqual(started, {
      kind: "step-started",
      step: 1,
      property: "toy.runs",
      desc: "echo a; echo b >&2",
      site: runs.site,
    });
    const output = others.map((event) =>
      event.kind === "step-output" ? `${event.step} ${event.stream} ${event.text}` : event.kind,
    );
    assert.deepEqual(output.sort(), ["1 stderr b\n", "1 stdout a\n", "step-changed"]);
    assert.ok(last?.kind === "step-ended" && last.step === 1 && last.status === "changed" && last.ms >= 0);
  });

  test("in verbose mode each command of a step: its exit code and duration, between start and end of the step", async () => {
    const root = seqprops(toy.made("all", toy.runs("echo a"), toy.rests("b"), toy.runs("exit 3")));
    const { events } = await applied(root, { verbose: true });
    const reported = events.flatMap((event) => {
      if (event.kind === "step-started" || event.kind === "step-ended")
        return [`${event.kind} ${event.step}`];
      if (event.kind !== "command-ran") return [];
      assert.ok(event.ms > 0);
      return [`${event.step} ran ${event.command}: ${event.exit}`];
    });
    assert.deepEqual(reported, [
      "step-started 1",
      "step-started 2",
      "2 ran echo a: 0",
      "step-ended 2",
      "step-started 3",
      "step-ended 3",
      "step-started 4",
      "4 ran exit 3: 3",
      "step-ended 4",
      "step-ended 1",
    ]);
    const { events: usual } = await applied(root);
    assert.ok(!usual.some(({ kind }) => kind === "command-ran"));
  });

  test("a command between steps belongs to no step", async () => {
    const looks = defprop({
      name: "test.looks",
      kind: "posix",
      args: object({}),
      call: () => ({}),
      inline: true,
      apply: async (_args, target) => ((await target.succeeds("true")) ? "unchanged" : "changed"),
    });
    const { events } = await applied(looks(), { verbose: true });
    const [event, ...more] = events.filter(({ kind }) => kind === "command-ran");
    assert.ok(event?.kind === "command-ran" && more.length === 0);
    assert.deepEqual({ ...event, ms: 1 }, { kind: "command-ran", command: "true", exit: 0, ms: 1 });
  });

  test("without a desc, the property as code", async () => {
    const plain = defprop({
      name: "test.plain",
      kind: "posix",
      args: object({ on: boolean() }),
      apply: async () => "unchanged",
    });
    assert.deepEqual((await applied(plain({ on: true }))).steps, ["unchanged test.plain({ on: true })"]);
  });

  table({
    "steps inside a property made of others are below it": [
      () => toy.made("all", toy.changes("a"), toy.made("some", toy.rests("b"), toy.changes("c"))),
      {
        change: "changed",
        steps: ["changed all", "  changed a", "  changed some", "    unchanged b", "    changed c"],
        done: ["a", "c"],
      },
    ],
    "a combinator is not reported, the properties in it are": [
      () => seqprops(eseqprops(onChange(toy.changes("a"), toy.rests("b")))),
      { change: "changed", steps: ["changed a", "unchanged b"] },
    ],
    "a failure is reported once, at the innermost step": [
      () => toy.made("all", toy.made("some", toy.fails("a"))),
      {
        change: "changed",
        failed: true,
        steps: [
          "failed all (a step inside it failed)",
          "  failed some (a step inside it failed)",
          "    failed a: FailedChange: a went wrong",
        ],
      },
    ],
    empty: [() => seqprops(), { change: "unchanged", steps: [] }],
  });

  test("a combinator that fails itself is reported", async () => {
    const clumsy = defprop({
      name: "test.clumsy",
      kind: "posix",
      args: object({ how: oneOf("check", "apply") }),
      inline: true,
      check: async ({ how }) => {
        if (how === "check") throw new FailedChange("it tripped");
        return false;
      },
      apply: async () => {
        throw new TypeError("it fell");
      },
    });
    assertApplied(
      await applied(seqprops(clumsy({ how: "check" }), clumsy({ how: "apply" }), toy.changes("a"))),
      {
        change: "changed",
        failed: true,
        steps: [
          "failed test.clumsy({ how: 'check' }): FailedChange: it tripped",
          "failed test.clumsy({ how: 'apply' }): TypeError: it fell",
          "changed a",
        ],
      },
    );
  });

  test("the failure of a command has its output and exit code", async () => {
    const { events } = await applied(toy.runs("echo so; echo no >&2; exit 3"));
    const ended = events.find((event) => event.kind === "step-ended");
    assert.ok(ended?.kind === "step-ended");
    const { name, message, command } = ended.failure ?? {};
    assert.deepEqual(
      { name, message, command },
      {
        name: "RunFailed",
        message: "`echo so; echo no >&2; exit 3` ended with exit code 3: no",
        command: { command: "echo so; echo no >&2; exit 3", exit: 3, stdout: "so\n", stderr: "no\n" },
      },
    );
  });
});

describe("at the end", () => {
  table({
    "last registered first, with the result of the deployment": [
      () => seqprops(toy.atEnd("a"), toy.atEnd("b"), toy.changes("c")),
      {
        change: "changed",
        steps: ["unchanged a", "unchanged b", "changed c", "changed at the end", "changed at the end"],
        done: ["c", "b, after changed", "a, after changed"],
      },
    ],
    "each key once": [
      () => seqprops(toy.atEnd("a"), toy.atEnd("a")),
      {
        change: "unchanged",
        steps: ["unchanged a", "unchanged a", "changed at the end"],
        done: ["a, after unchanged"],
      },
    ],
    "also after a failed property": [
      () => seqprops(toy.atEnd("a"), toy.fails("b")),
      {
        change: "changed",
        failed: true,
        steps: ["unchanged a", "failed b: FailedChange: b went wrong", "changed at the end"],
        done: ["b", "a, after changed"],
      },
    ],
    "not after a failure stopped the deployment": [
      () => eseqprops(toy.atEnd("a"), toy.fails("b")),
      {
        change: "changed",
        failed: true,
        steps: ["unchanged a", "failed b: FailedChange: b went wrong"],
        done: ["b"],
      },
    ],
    "a failure there fails the deployment, and does not stop the others": [
      () => seqprops(toy.atEnd("a"), toy.atEnd("failing b")),
      {
        change: "unchanged",
        failed: true,
        steps: [
          "unchanged a",
          "unchanged failing b",
          "failed at the end: FailedChange: failing b went wrong",
          "changed at the end",
        ],
        done: ["failing b, after unchanged", "a, after unchanged"],
      },
    ],
  });
});

describe("a lost connection", () => {
  const loses = defprop({
    name: "test.loses",
    kind: "posix",
    args: object({}),
    call: () => ({}),
    desc: () => "loses",
    apply: async () => {
      throw new ConnectionFailed("via.ssh({ user: 'root' })", "the link was lost");
    },
  });

  test("ends the deployment: no further step runs, nor the work for the end", async () => {
    await assert.rejects(
      applied(seqprops(toy.atEnd("a"), seqprops(loses(), toy.changes("b")), toy.changes("c"))),
      new ConnectionFailed("via.ssh({ user: 'root' })", "the link was lost"),
    );
    assert.deepEqual(toy.takeDone(), []);
  });
});

describe("asked to stop", () => {
  /** Stops when the step called `when` has ended. */
  function stopping(application: PropApp, when: string): Promise<Applied> {
    let stopped: string | undefined;
    const called = new Map<number, string>();
    return applied(application, {
      stopped: () => stopped,
      emit: (event) => {
        if (event.kind === "step-started") called.set(event.step, event.desc);
        if (event.kind === "step-ended" && called.get(event.step) === when) stopped = "it was stopped";
      },
    });
  }

  const cases: Record<string, [application: () => PropApp, steps: string[], failed: boolean]> = {
    "in seqprops": [
      () => seqprops(toy.rests("x"), toy.changes("a"), toy.changes("b"), eseqprops(toy.changes("c"))),
      ["unchanged x", "changed a", "skipped b (it was stopped)", "skipped c (it was stopped)"],
      false,
    ],
    "in eseqprops, and outside it": [
      () => seqprops(eseqprops(toy.changes("a"), toy.changes("b"), toy.changes("c")), toy.changes("d")),
      ["changed a", "skipped b (it was stopped)", "skipped c (it was stopped)", "skipped d (it was stopped)"],
      false,
    ],
    "among the parts of a property": [
      () => seqprops(toy.made("all", toy.changes("a"), toy.changes("b")), toy.changes("c")),
      [
        "failed all: Cancelled: it was stopped",
        "  changed a",
        "  skipped b (it was stopped)",
        "skipped c (it was stopped)",
      ],
      true,
    ],
    "before the follow-up of a change": [
      () => seqprops(onChange(toy.changes("a"), toy.changes("b")), toy.changes("c")),
      ["changed a", "skipped b (it was stopped)", "skipped c (it was stopped)"],
      false,
    ],
    "before the work for the end": [
      () => seqprops(toy.atEnd("x"), toy.changes("a")),
      ["unchanged x", "changed a"],
      false,
    ],
  };
  for (const [name, [application, steps, failed]] of Object.entries(cases)) {
    test(`${name}: no further step starts, and each is reported as skipped`, async () => {
      const outcome = await stopping(application(), "a");
      assert.deepEqual(outcome.steps, steps);
      assert.deepEqual(outcome.done, ["a"]);
      assert.equal(outcome.cancelled, true);
      assert.equal(outcome.failed, failed);
      assert.equal(outcome.change, "changed");
    });
  }

  test("after the last step, the deployment does not count as stopped", async () => {
    const outcome = await stopping(seqprops(toy.changes("b"), toy.changes("a")), "a");
    assert.equal(outcome.cancelled, false);
    assert.deepEqual(outcome.done, ["b", "a"]);
  });
});

test("an unhandled error is a failed step inside the running one", async () => {
  let tell: ((error: unknown) => void) | undefined;
  let listens = 0;
  const onUnhandledError = (listener: (error: unknown) => void) => {
    tell = listener;
    listens += 1;
    return () => {
      listens -= 1;
    };
  };
  const forgets = defprop({
    name: "test.forgets",
    kind: "posix",
    args: object({}),
    call: () => ({}),
    desc: () => "forgets",
    apply: async () => {
      tell?.("left to itself");
      return "unchanged";
    },
  });
  assertApplied(await applied(seqprops(forgets(), toy.rests("b")), { onUnhandledError }), {
    change: "unchanged",
    failed: true,
    steps: ["unchanged forgets", "  failed unhandled error: Error: left to itself", "unchanged b"],
    done: [],
  });
  assert.equal(listens, 0);
});

test("cancelled, the running command is ended, and the rest is skipped", async () => {
  const abort = new AbortController();
  const running = applied(
    seqprops(eseqprops(toy.runs("echo on; exec sleep 30"), toy.changes("a")), toy.changes("b")),
    {
      target: ({ output }) =>
        targetOf("agent", {
          signal: abort.signal,
          output: (stream, text) => {
            output(stream, text);
            abort.abort(new Cancelled("it was cancelled"));
          },
        }),
      stopped: () => (abort.signal.aborted ? "it was cancelled" : undefined),
    },
  );
  const { steps, done, cancelled } = await running;
  assert.deepEqual(steps, [
    "failed echo on; exec sleep 30: Cancelled: cancelled: `echo on; exec sleep 30` was ended",
    "skipped a (it was cancelled)",
    "skipped b (it was cancelled)",
  ]);
  assert.deepEqual(done, []);
  assert.equal(cancelled, true);
});

test("every slot of a property receives the arguments returned by preprocess", async () => {
  const seen: string[] = [];
  const loud = defprop({
    name: "test.loud",
    kind: "posix",
    args: object({ what: string() }),
    call: (what: string) => ({ what }),
    preprocess: ({ what }) => ({ what: what.toUpperCase() }),
    desc: ({ what }) => what,
    hostattrs: ({ what }) => void seen.push(`hostattrs ${what}`),
    check: async ({ what }) => seen.push(`check ${what}`) > 2,
    apply: async ({ what }) => (seen.push(`apply ${what}`) > 0 ? "changed" : "unchanged"),
  });
  const { steps } = await applied(loud("a"));
  assert.deepEqual(steps, ["changed A"]);
  assert.deepEqual(seen, ["hostattrs A", "check A", "apply A", "check A"]);
});

test("parts may depend on the facts of the host", async () => {
  const chosen = defproplist({
    name: "test.chosen",
    args: object({}),
    call: () => ({}),
    desc: () => "chosen",
    parts: (_args, host) => [host.newest(toy.fact) === "blue" ? toy.changes("a") : null],
  });
  assert.deepEqual((await applied(seqprops(toy.states("blue"), chosen()))).done, ["a"]);
  assert.deepEqual((await applied(seqprops(toy.states("red"), chosen()))).steps, [
    "unchanged red",
    "unchanged chosen",
  ]);
});
