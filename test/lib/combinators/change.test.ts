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

/** Its check returns `holds`, and true once it was applied. */
const checked = defprop({
  name: "test.checked",
  kind: "posix",
  args: object({ what: string(), holds: boolean() }),
  call: (what: string, holds: boolean) => ({ what, holds }),
  desc: ({ what }) => what,
  check: async ({ what, holds }, target) => holds || target.memory.has(`test.checked ${what}`),
  apply: async ({ what }, target) => {
    target.memory.set(`test.checked ${what}`, true);
    return "changed";
  },
  unapply: async () => "changed",
});

/** Changes something the first time, and holds afterwards. */
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

/** The flags stored on a host. */
class Kept extends Map<string, string> {
  /** Each write and removal. */
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

/** Deploys `application` to a host on which an earlier deployment left the flags `kept`. */
const deployed = (application: PropApp, kept: Kept, kind: "posix" | "agent" = "agent") =>
  applied(application, { kept, kind });

for (const kind of ["agent", "posix"] as const) {
  describe(`the follow-up of a change, ${kind === "agent" ? "in the agent" : "over a shell"}`, () => {
    const breakdowns: [name: string, failing: (when: PropApp) => PropApp][] = [
      ["failed", (when) => onChange(when, toy.rests("x"), toy.fails("b"))],
      ["could not start", (when) => onChange(when, toy.aborts("b"))],
      ["had a bug", (when) => onChange(when, toy.breaks("b"))],
    ];
    for (const [name, failing] of breakdowns) {
      test(`${name}: the next deployment runs it once`, async () => {
        const kept = new Kept();
        await deployed(seqprops(failing(once("a"))), kept, kind);
        assert.equal(kept.size, 1);
        toy.takeDone();

        const other = await deployed(onChange(once("other"), toy.rests("x")), kept, kind);
        assert.equal(kept.size, 1, "another application leaves it alone");
        assert.deepEqual(other.notices, []);

        // The property holds now, and the follow-up has been fixed.
        const again = await deployed(onChange(once("a"), toy.changes("b")), kept, kind);
        assert.deepEqual(again.steps, ["unchanged a", "changed b"]);
        assert.equal(kept.size, 0);
      });
    }

    test("was left undone: it runs although nothing changed, with a notice", async () => {
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
        /^the follow-up of test\.once at test\/lib\/combinators\/change\.test\.ts:\d+:\d+ was left undone; running test\.failsOnce now$/,
      );
      assertApplied(await deployed(whole(), kept, kind), {
        change: "unchanged",
        steps: ["unchanged config"],
      });
    });

    test("is pending when the change was interrupted, but not when nothing was changed", async () => {
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

    test("stays pending when the changed property fails the next time", async () => {
      const kept = new Kept();
      const when = toy.fails("a");
      await deployed(seqprops(onChange(when, toy.changes("b"))), kept, kind);
      await deployed(seqprops(onChange(when, toy.changes("b"))), kept, kind);
      assert.equal(kept.size, 1);
    });

    test("stopped before it: the next deployment runs it", async () => {
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

    test("two with the same trigger: one does not clear the flag of the other", async () => {
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

    test("the flag explains itself to the user, without arguments", async () => {
      const kept = new Kept();
      await deployed(seqprops(onChange(toy.changes("secret"), toy.fails("b"))), kept, kind);
      const [[name = "", text = ""] = []] = kept;
      assert.match(name, /^[0-9a-f]{32}$/);
      const { since, ...flag } = JSON.parse(text);
      assert.ok(Date.parse(since) > 0);
      const place = "test/lib/combinators/change.test.ts";
      const withoutLines = JSON.parse(JSON.stringify(flag).replaceAll(/ts:\d+:\d+/g, "ts"));
      assert.deepEqual(withoutLines, {
        host: "web1",
        changed: `toy.changes at ${place}`,
        pending: [`toy.fails at ${place}`],
      });
    });
  });
}

describe("the cost of a flag", () => {
  const cases: [name: string, when: () => PropApp, agent: string[], shell: string[]][] = [
    ["a check finds that it holds: none", () => checked("a", true), [], []],
    ["apply finds that it holds: none over a shell", () => toy.rests("a"), ["set", "clear"], []],
    ["it is changed", () => toy.changes("a"), ["set", "clear"], ["set", "clear"]],
    ["a check finds that it does not hold", () => checked("a", false), ["set", "clear"], ["set", "clear"]],
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

  test("without a follow-up there is none", async () => {
    const kept = new Kept();
    await deployed(onChange(toy.changes("a")), kept);
    assert.deepEqual(kept.log, []);
  });
});

test("the flag is set before the change if there is a check, else after it", async () => {
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

test("a host that cannot store flags is deployed to, with a notice", async () => {
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
    /^if the follow-up of toy\.changes at \S+ fails, the next deployment will not repeat it: no space left on device$/,
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
    "applied like onChange": [
      () => onApplyChange(toy.changes("a"), toy.changes("b")),
      { change: "changed", steps: ["changed a", "changed b"] },
    ],
    "unapplied without the follow-up": [
      () => unapplied(onApplyChange(toy.changes("a"), toy.changes("b"))),
      { change: "changed", steps: ["changed not: a"], done: ["not a"] },
    ],
    "when skipped, only the steps that would have run are reported": [
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

  test("unapplying clears a pending follow-up", async () => {
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
    "requirements are not checked when the property holds": [
      () => withRequirementsForChange(checked("a", true), toy.changes("b")),
      { change: "unchanged", steps: ["unchanged a"], done: [] },
    ],
    "requirements are applied first when it does not hold, the last one first": [
      () => withRequirementsForChange(checked("a", false), toy.changes("b"), toy.rests("c")),
      { change: "changed", steps: ["changed a", "  unchanged c", "  changed b"] },
    ],
    "without a check, they are always applied": [
      () => withRequirementsForChange(toy.rests("a"), toy.changes("b")),
      { change: "changed", steps: ["unchanged a", "  changed b"] },
    ],
    "a failed requirement fails the step that needs it": [
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
    "for several, once, before the first that needs a change": [
      () =>
        withRequirementsForChange(
          seqprops(checked("a", true), checked("b", false), checked("c", false)),
          toy.changes("r"),
        ),
      { change: "changed", steps: ["unchanged a", "changed b", "  changed r", "changed c"], done: ["r"] },
    ],
    "around an onChange": [
      () => onChange(withRequirementsForChange(checked("a", false), toy.changes("b")), toy.changes("c")),
      { change: "changed", steps: ["changed a", "  changed b", "changed c"] },
    ],
    "unapplying leaves them applied": [
      () => unapplied(withRequirementsForChange(toy.changes("a"), toy.oneWay("b"))),
      { change: "changed", steps: ["changed not: a"], done: ["not a"] },
    ],
    "when skipped, they are not reported": [
      () => eseqprops(toy.fails("x"), withRequirementsForChange(toy.changes("a"), toy.changes("b"))),
      {
        change: "changed",
        failed: true,
        steps: ["failed x: FailedChange: x went wrong", "skipped a (toy.fails failed)"],
      },
    ],
  });

  test("unapplying an irreversible property is refused", () => {
    for (const one of [
      onChange(toy.oneWay("a"), toy.rests("b")),
      onApplyChange(toy.oneWay("a")),
      withRequirementsForChange(toy.oneWay("a"), toy.rests("b")),
    ]) {
      assert.throws(() => prepare({ name: "web1" }, unapplied(one)), /: toy\.oneWay cannot be unapplied$/);
    }
  });
});
