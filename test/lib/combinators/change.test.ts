import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import {
  eseqprops,
  onApplyChange,
  onChange,
  seqprops,
  unapplied,
  withRequirementsForChange,
} from "../../../lib/combinators";
import { prepare } from "../../../lib/engine/prepare";
import { Cancelled, FailedChange } from "../../../lib/model/errors";
import { defprop, type PropApp } from "../../../lib/model/property";
import { boolean, object, string } from "../../../lib/model/schema";
import { applied, assertApplied, table } from "../../support/applying";
import * as toy from "../../support/toy";

const settled = new Set<string>();
beforeEach(() => {
  toy.takeDone();
  settled.clear();
});

/** Its check says whether it holds. */
const checked = defprop({
  name: "test.checked",
  kind: "posix",
  args: object({ what: string(), holds: boolean() }),
  call: (what: string, holds: boolean) => ({ what, holds }),
  desc: ({ what }) => what,
  check: async ({ holds }) => holds,
  apply: async () => "changed",
  unapply: async () => "changed",
});

/** Changes something the first time, and holds from then on. */
const once = defprop({
  name: "test.once",
  kind: "posix",
  args: object({ what: string() }),
  call: (what: string) => ({ what }),
  desc: ({ what }) => what,
  apply: async ({ what }) => {
    if (settled.has(what)) return "unchanged";
    settled.add(what);
    return "changed";
  },
});

/** What a deployment finds on the host, and leaves there. */
class Kept extends Map<string, string> {
  /** Each time that something was written or removed. */
  readonly log: string[] = [];

  override set(name: string, text: string): this {
    this.log?.push("set");
    return super.set(name, text);
  }

  override delete(name: string): boolean {
    this.log.push("clear");
    return super.delete(name);
  }
}

/** `application` deployed to a host on which an earlier deployment left `kept`. */
const deployed = (application: PropApp, kept: Kept, kind: "posix" | "agent" = "agent") =>
  applied(application, { kept, kind });

for (const kind of ["agent", "posix"] as const) {
  describe(`what should follow a change, ${kind === "agent" ? "in the agent" : "over a shell"}`, () => {
    const breakdowns: [name: string, failing: (when: PropApp) => PropApp][] = [
      ["failed", (when) => onChange(when, toy.rests("x"), toy.fails("b"))],
      ["could not begin", (when) => onChange(when, toy.aborts("b"))],
      ["was written wrongly", (when) => onChange(when, toy.breaks("b"))],
    ];
    for (const [name, failing] of breakdowns) {
      test(`${name}: the next deployment does it, once`, async () => {
        const kept = new Kept();
        await deployed(seqprops(failing(once("a"))), kept, kind);
        assert.equal(kept.size, 1);
        toy.takeDone();

        const other = await deployed(onChange(once("other"), toy.rests("x")), kept, kind);
        assert.equal(kept.size, 1, "another application leaves it alone");
        assert.deepEqual(other.notices, []);

        // What changed holds by now, and what follows has been mended.
        const again = await deployed(onChange(once("a"), toy.changes("b")), kept, kind);
        assert.deepEqual(again.steps, ["unchanged a", "changed b"]);
        assert.equal(kept.size, 0);
      });
    }

    test("was left undone: it is applied though nothing changed, which is said", async () => {
      const kept = new Kept();
      const failing = defprop({
        name: "test.failsOnce",
        kind: "posix",
        args: object({}),
        call: () => ({}),
        desc: () => "restart",
        apply: async () => {
          if (attempts++ === 0) throw new FailedChange("not yet");
          return "changed";
        },
      });
      let attempts = 0;
      const whole = () => seqprops(onChange(once("config"), failing()));
      assert.deepEqual((await deployed(whole(), kept, kind)).steps, [
        "changed config",
        "failed restart: FailedChange: not yet",
      ]);
      const second = await deployed(whole(), kept, kind);
      assertApplied(second, { change: "changed", steps: ["unchanged config", "changed restart"] });
      assert.equal(second.notices.length, 1);
      assert.match(
        second.notices[0] ?? "",
        /^an earlier deployment changed test\.once at test\/lib\/combinators\/change\.test\.ts:\d+:\d+, and did not come to what should follow; test\.failsOnce is applied now$/,
      );
      assertApplied(await deployed(whole(), kept, kind), {
        change: "unchanged",
        steps: ["unchanged config"],
      });
    });

    test("is owed when the change was broken off in the middle, not when nothing was touched", async () => {
      const kept = new Kept();
      const broken = (...parts: PropApp[]) => seqprops(onChange(eseqprops(...parts), toy.changes("c")));
      const half = await deployed(broken(toy.changes("a"), toy.aborts("b")), kept, kind);
      assert.deepEqual(half.steps, [
        "changed a",
        "failed b: AbortedChange: b cannot begin",
        "skipped c (eseqprops failed)",
      ]);
      assert.equal(kept.size, 1);
      kept.clear();
      await deployed(broken(toy.rests("a"), toy.aborts("b")), kept, kind);
      assert.equal(kept.size, 0);
      await deployed(broken(toy.fails("a")), kept, kind);
      assert.equal(kept.size, 1);
    });

    test("is not forgotten when what changed fails the next time", async () => {
      const kept = new Kept();
      const when = toy.fails("a");
      await deployed(seqprops(onChange(when, toy.changes("b"))), kept, kind);
      await deployed(seqprops(onChange(when, toy.changes("b"))), kept, kind);
      assert.equal(kept.size, 1);
    });

    test("stopped before it: the next deployment does it", async () => {
      const kept = new Kept();
      let stopped: string | undefined;
      const { steps } = await applied(onChange(toy.changes("a"), toy.changes("b")), {
        kept,
        kind,
        stopped: () => stopped,
        emit: (event) => {
          if (event.kind === "step-ended") stopped = "it was stopped";
        },
      });
      assert.equal(kept.size, 1);
      assert.deepEqual(steps, ["changed a", "skipped b (it was stopped)"]);
    });

    test("two that say the same of one change: what the one left, the other leaves alone", async () => {
      const kept = new Kept();
      const both = (then: PropApp) =>
        seqprops(onChange(once("a"), then), onChange(once("a"), toy.changes("c")));
      const first = await deployed(both(toy.fails("b")), kept, kind);
      assert.deepEqual(first.steps, ["changed a", "failed b: FailedChange: b went wrong", "unchanged a"]);
      assert.equal(kept.size, 1);
      const second = await deployed(both(toy.changes("b")), kept, kind);
      assert.deepEqual(second.steps, ["unchanged a", "changed b", "unchanged a"]);
      assert.equal(kept.size, 0);
    });

    test("the mark says to people what it is, and no arguments", async () => {
      const kept = new Kept();
      await deployed(seqprops(onChange(toy.changes("secret"), toy.fails("b"))), kept, kind);
      const [[name = "", text = ""] = []] = kept;
      assert.match(name, /^[0-9a-f]{32}$/);
      const { since, ...said } = JSON.parse(text);
      assert.ok(Date.parse(since) > 0);
      const place = "test/lib/combinators/change.test.ts";
      const withoutLines = JSON.parse(JSON.stringify(said).replaceAll(/ts:\d+:\d+/g, "ts"));
      assert.deepEqual(withoutLines, {
        host: "web1",
        changed: `toy.changes at ${place}`,
        owed: [`toy.fails at ${place}`],
      });
    });
  });
}

describe("what a mark costs", () => {
  const cases: [name: string, when: () => PropApp, agent: string[], shell: string[]][] = [
    ["a check says that it holds: nothing", () => checked("a", true), [], []],
    ["it finds out that it holds: nothing over a shell", () => toy.rests("a"), ["set", "clear"], []],
    ["it is changed", () => toy.changes("a"), ["set", "clear"], ["set", "clear"]],
    ["a check says that it does not hold", () => checked("a", false), ["set", "clear"], ["set", "clear"]],
  ];
  for (const [name, when, agent, shell] of cases) {
    test(name, async () => {
      for (const [kind, expected] of [
        ["agent", agent],
        ["posix", shell],
      ] as const) {
        const kept = new Kept();
        await deployed(onChange(when(), toy.rests("b")), kept, kind);
        assert.deepEqual(kept.log, expected, kind);
      }
    });
  }

  test("with nothing to follow there is none", async () => {
    const kept = new Kept();
    await deployed(onChange(toy.changes("a")), kept);
    assert.deepEqual(kept.log, []);
  });
});

test("before the change when a check has said so, after it else", async () => {
  const order: string[] = [];
  class Watched extends Kept {
    override set(name: string, text: string): this {
      order.push("mark");
      return super.set(name, text);
    }
  }
  const acts = (has: boolean) =>
    defprop({
      name: "test.acts",
      kind: "posix",
      args: object({}),
      call: () => ({}),
      ...(has && { check: async () => false }),
      apply: async () => {
        order.push("act");
        return "changed";
      },
    })();
  for (const [kind, has, expected] of [
    ["agent", false, "mark act"],
    ["agent", true, "mark act"],
    ["posix", true, "mark act"],
    ["posix", false, "act mark"],
  ] as const) {
    order.length = 0;
    await deployed(onChange(acts(has), toy.rests("b")), new Watched(), kind);
    assert.equal(order.join(" "), expected, `${kind}, ${has ? "with" : "without"} a check`);
  }
});

test("a host that keeps nothing: the work is done, and what that means is said", async () => {
  class Full extends Kept {
    override set(): this {
      throw new FailedChange("no space left on device");
    }
  }
  const { steps, notices, failed } = await deployed(onChange(toy.changes("a"), toy.changes("b")), new Full());
  assert.deepEqual(steps, ["changed a", "changed b"]);
  assert.equal(failed, false);
  assert.match(
    notices.join("\n"),
    /^should what follows a change of toy\.changes at \S+ fail, it will not be remembered: no space left on device$/,
  );
});

test("a command that is cancelled in the middle may have changed something", async () => {
  const kept = new Kept();
  const cancelled = defprop({
    name: "test.cancelled",
    kind: "posix",
    args: object({}),
    call: () => ({}),
    apply: async () => {
      throw new Cancelled("cancelled: it was ended");
    },
  });
  await deployed(onChange(cancelled(), toy.rests("b")), kept, "posix");
  assert.equal(kept.size, 1);
});

describe("onApplyChange", () => {
  table({
    "applied, it is onChange": [
      () => onApplyChange(toy.changes("a"), toy.changes("b")),
      { change: "changed", steps: ["changed a", "changed b"] },
    ],
    "undone, nothing follows": [
      () => unapplied(onApplyChange(toy.changes("a"), toy.changes("b"))),
      { change: "changed", steps: ["changed not: a"], done: ["not a"] },
    ],
    "passed over, only what would have been done is told": [
      () =>
        eseqprops(
          toy.fails("x"),
          onApplyChange(toy.changes("a"), toy.changes("b")),
          unapplied(onApplyChange(toy.changes("a"), toy.changes("b"))),
          unapplied(onChange(toy.changes("a"), toy.changes("b"))),
        ),
      {
        change: "changed",
        failed: true,
        steps: [
          "failed x: FailedChange: x went wrong",
          ...["a", "b", "not: a", "not: a", "b"].map((each) => `skipped ${each} (toy.fails failed)`),
        ],
      },
    ],
  });

  test("what does not hold any more asks for nothing any more", async () => {
    const kept = new Kept();
    const when = checked("a", true);
    await deployed(
      seqprops(onApplyChange({ ...when, args: { what: "a", holds: false } }, toy.fails("b"))),
      kept,
    );
    assert.equal(kept.size, 1);
    const gone = { ...when, args: { what: "a", holds: false } };
    await deployed(unapplied(onApplyChange(gone, toy.fails("b"))), kept);
    assert.equal(kept.size, 0);
  });
});

describe("withRequirementsForChange", () => {
  table({
    "where it holds, they are not looked at": [
      () => withRequirementsForChange(checked("a", true), toy.changes("b")),
      { change: "unchanged", steps: ["unchanged a"], done: [] },
    ],
    "where it does not, they are applied before, the last first": [
      () => withRequirementsForChange(checked("a", false), toy.changes("b"), toy.rests("c")),
      { change: "changed", steps: ["changed a", "  unchanged c", "  changed b"] },
    ],
    "without a check, always": [
      () => withRequirementsForChange(toy.rests("a"), toy.changes("b")),
      { change: "changed", steps: ["unchanged a", "  changed b"] },
    ],
    "one that fails is the failure of what needs it": [
      () => seqprops(withRequirementsForChange(checked("a", false), toy.fails("b")), toy.rests("c")),
      {
        change: "changed",
        failed: true,
        steps: [
          "failed a (a step inside it failed)",
          "  failed b: FailedChange: b went wrong",
          "unchanged c",
        ],
      },
    ],
    "of several, once, before the first that has to change": [
      () =>
        withRequirementsForChange(
          seqprops(checked("a", true), checked("b", false), checked("c", false)),
          toy.changes("r"),
        ),
      { change: "changed", steps: ["unchanged a", "changed b", "  changed r", "changed c"], done: ["r"] },
    ],
    "around a change that asks for more": [
      () => onChange(withRequirementsForChange(checked("a", false), toy.changes("b")), toy.changes("c")),
      { change: "changed", steps: ["changed a", "  changed b", "changed c"] },
    ],
    "undone, they stay": [
      () => unapplied(withRequirementsForChange(toy.changes("a"), toy.oneWay("b"))),
      { change: "changed", steps: ["changed not: a"], done: ["not a"] },
    ],
    "passed over, they are not told": [
      () => eseqprops(toy.fails("x"), withRequirementsForChange(toy.changes("a"), toy.changes("b"))),
      {
        change: "changed",
        failed: true,
        steps: ["failed x: FailedChange: x went wrong", "skipped a (toy.fails failed)"],
      },
    ],
  });

  test("what cannot be unapplied is refused", () => {
    for (const one of [
      onChange(toy.oneWay("a"), toy.rests("b")),
      onApplyChange(toy.oneWay("a")),
      withRequirementsForChange(toy.oneWay("a"), toy.rests("b")),
    ]) {
      assert.throws(() => prepare({ name: "web1" }, unapplied(one)), /: toy\.oneWay cannot be unapplied$/);
    }
  });
});
