/** What a plan says of each step: the five answers, through combinators. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import {
  concurrently,
  desc,
  eseqprops,
  eseqpropsUntil,
  onApplyChange,
  onChange,
  seqprops,
  silentSeqprops,
  unapplied,
  withFlagfile,
  within,
  withRequirements,
  withRequirementsForChange,
} from "../../../lib/combinators";
import { type Change, defprop, defproplist, type PropApp } from "../../../lib/model/property";
import { object, propapp, string } from "../../../lib/model/schema";
import { type Applied, applied, type Circumstances } from "../../support/applying";
import * as toy from "../../support/toy";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "plan-"));
  writeFileSync(`${dir}/file`, "one\n");
  toy.takeDone();
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const kinds = ["agent", "posix"] as const;

/** Has the file `name` with `content`. */
const has = defprop({
  name: "test.has",
  kind: "posix",
  args: object({ name: string(), content: string() }),
  call: (name: string, content: string) => ({ name: `${dir}/${name}`, content }),
  desc: ({ name }) => path.basename(name),
  apply: ({ name, content }, target) => target.ensureContent(name, content),
  unapply: ({ name }, target) => target.remove(name),
});

/** Runs a command of which nothing is known, except what it touches. */
const runs = defprop({
  name: "test.runs",
  kind: "posix",
  args: object({ name: string(), touches: string() }),
  call: (name: string, touches = "") => ({ name, touches: touches && `${dir}/${touches}` }),
  desc: ({ name }) => name,
  apply: async ({ touches }, target) => {
    await target.run(`touch ${dir}/ran`, touches ? { touches: { paths: [touches] } } : {});
    return "changed";
  },
});

/** Is there, or fails. */
const needs = defprop({
  name: "test.needs",
  kind: "posix",
  args: object({ name: string() }),
  call: (name: string) => ({ name: `${dir}/${name}` }),
  desc: ({ name }) => `needs ${path.basename(name)}`,
  apply: async ({ name }, target) => {
    await target.readFile(name);
    return "unchanged";
  },
});

/** A property whose slots are `slots`. */
const property = (slots: object, kind: "posix" | "agent" = "posix"): PropApp =>
  defprop({ name: "test.slots", kind, args: object({}), call: () => ({}), desc: () => "it", ...slots })();

async function planned(application: PropApp, circumstances: Circumstances = {}): Promise<Applied> {
  const before = readdirSync(dir);
  const result = await applied(application, { ...circumstances, plans: true });
  assert.deepEqual(readdirSync(dir), before, "nothing was done");
  assert.deepEqual(result.done, [], "nothing was done");
  return result;
}

/** A test over both targets of what the plan of `application` says. */
const says = (
  name: string,
  application: () => PropApp,
  steps: string[],
  more: { change?: Change; failed?: true; uncertain?: true; notices?: string[] } = {},
): void => {
  for (const kind of kinds)
    test(`${name}, on ${kind}`, async () => {
      const actual = await planned(application(), { kind });
      assert.deepEqual(
        actual.steps.map((line) => line.replaceAll(dir, "DIR")),
        steps,
      );
      assert.equal(actual.failed, more.failed ?? false);
      assert.deepEqual(actual.notices, more.notices ?? []);
      if (more.change) assert.equal(actual.change, more.change);
      if ("uncertain" in actual || more.uncertain) assert.equal(actual.uncertain, more.uncertain ?? false);
    });
};

declare module "../../support/applying" {
  interface Applied {
    readonly uncertain?: boolean;
  }
}

describe("the five answers", () => {
  says("holds", () => has("file", "one\n"), ["holds file"], { change: "unchanged" });
  says("would change", () => has("file", "two\n"), ["would change file"], { change: "changed" });
  says("would change, and more that is not known", () => runs("command"), ["would change … command"]);
  says(
    "depends",
    () => eseqprops(runs("command", "file"), has("file", "one\n"), has("file", "two\n"), has("other", "x")),
    [
      "would change … command",
      "depends on [command], now unchanged: file",
      "depends on [command], now changed: file",
      "would change other",
    ],
    { change: "changed" },
  );
  says(
    "would fail",
    () => needs("nothing"),
    ["would fail needs nothing: FailedChange: cannot read DIR/nothing: no such file or directory"],
    { failed: true },
  );
  says(
    "depends, and would fail as the host is now",
    () => eseqprops(runs("command"), needs("nothing"), has("file", "one\n")),
    [
      "would change … command",
      "depends on [command], now failed: needs nothing (as the host is now, it would fail: cannot read DIR/nothing: no such file or directory)",
      "depends on [command], now unchanged: file",
    ],
  );
  says(
    "unknown, with the property's own reason",
    () =>
      property({
        apply: async (_args: unknown, target: { run: Run }) => {
          await target.run("dice", { unpredictable: "it throws dice" });
          return "changed";
        },
      }),
    ["unknown … it (it throws dice)"],
    { uncertain: true, change: "changed" },
  );
});

type Run = (command: string, options?: object) => Promise<unknown>;

describe("a property with a check", () => {
  const check = (holds: boolean) => async (_args: unknown, target: { query: Run }) => {
    await target.query("true");
    return holds;
  };
  const apply = async (_args: unknown, target: { run: Run }): Promise<Change> => {
    await target.run("act");
    return "changed";
  };
  says("that is true", () => property({ check: check(true), apply }), ["holds it"]);
  says("that is false", () => property({ check: check(false), apply }), ["would change … it"]);
  const asksMore = async (_args: unknown, target: { query: Run; run: Run }): Promise<Change> => {
    await target.query("true");
    await target.run("act", { touches: {} });
    return "changed";
  };
  const notThere = async (_args: unknown, target: { lstat: Run }) =>
    (await target.lstat(`${dir}/there`)) !== undefined;
  says(
    "that is false, and asks more about what an earlier step changes",
    () => eseqprops(has("other", "x"), property({ check: notThere, apply: asksMore })),
    ["would change other", "would change … it"],
    { change: "changed" },
  );
  says(
    "that is a condition, and asks more about what an earlier step changes",
    () =>
      eseqprops(
        has("other", "x"),
        property({ check: notThere, apply: asksMore, verify: async () => undefined }),
      ),
    ["would change other", "depends … on [other], now changed: it"],
    { change: "changed" },
  );
  says(
    "that acts",
    () => property({ check: apply, apply }),
    ["unknown … it (its check acts: let test.slots use target.query instead of target.run there)"],
    { uncertain: true },
  );
  says(
    "that throws",
    () => property({ check: () => Promise.reject(new TypeError("no such thing")), apply }),
    ["would fail it: TypeError: no such thing"],
    { failed: true },
  );
  says(
    "that has nothing to unapply",
    () => unapplied(property({ check: check(false), apply, unapply: apply })),
    ["holds not: it"],
  );
});

describe("a property that uses Node", () => {
  const act = () => Promise.reject(new Error("it was called"));
  const withCheck = (holds: boolean) => property({ check: async () => holds, apply: act }, "agent");
  const rows: [name: string, application: () => PropApp, kind: "agent" | "posix", steps: string[]][] = [
    ["with a check that is true", () => withCheck(true), "agent", ["holds it"]],
    ["with a check that is false", () => withCheck(false), "agent", ["would change … it"]],
    [
      "without a check",
      () => property({ apply: act }, "agent"),
      "agent",
      ["unknown it (it uses Node on the host, and has no check)"],
    ],
    [
      "without an agent",
      () => withCheck(true),
      "posix",
      ["unknown it (it can only be asked through an agent)"],
    ],
  ];
  for (const [name, application, kind, steps] of rows)
    test(name, async () => assert.deepEqual((await planned(application(), { kind })).steps, steps));
});

describe("onChange", () => {
  says("whose trigger holds", () => onChange(has("file", "one\n"), runs("restart")), ["holds file"]);
  says("whose trigger would change something", () => onChange(has("file", "two\n"), runs("restart")), [
    "would change file",
    "would change … restart",
  ]);
  says(
    "whose trigger is uncertain: what follows depends on it",
    () =>
      eseqprops(
        runs("command", "file"),
        onChange(has("file", "one\n"), runs("restart", "other"), has("more", "x")),
        has("last", "x"),
      ),
    [
      "would change … command",
      "depends on [command], now unchanged: file",
      "depends … on [file], now changed: restart",
      "depends on [file], now changed: more",
      "would change last",
    ],
  );
  says(
    "whose trigger would fail",
    () => seqprops(onChange(needs("nothing"), runs("restart")), has("file", "one\n")),
    [
      "would fail needs nothing: FailedChange: cannot read DIR/nothing: no such file or directory",
      "skipped restart (test.needs failed)",
      "holds file",
    ],
    { failed: true },
  );
  says(
    "whose trigger is a sequence of which one would change something",
    () => onChange(eseqprops(has("file", "one\n"), has("new", "x")), runs("restart")),
    ["holds file", "would change new", "would change … restart"],
  );
  says("that is unapplied", () => unapplied(onChange(has("file", "x"), runs("restart"))), [
    "would change not: file",
    "would change … restart",
  ]);
  says("onApplyChange that is unapplied", () => unapplied(onApplyChange(has("file", "x"), runs("restart"))), [
    "would change not: file",
  ]);

  for (const kind of kinds)
    test(`whose follow-up is owed from an earlier failure, on ${kind}`, async () => {
      const kept = new Map<string, string>();
      const failing = onChange(has("file", "two\n"), toy.runs("false"));
      await applied(failing, { kind, kept });
      assert.equal(kept.size, 1);
      const flags = [...kept];
      const { steps, notices, change } = await planned(failing, { kind, kept });
      assert.deepEqual(steps, ["holds file", "would change … false"]);
      assert.equal(change, "changed");
      assert.equal(notices.length, 1);
      assert.match(
        notices[0] ?? "",
        /^the follow-up of test\.has at .* was left undone; running toy\.runs now$/,
      );
      assert.deepEqual([...kept], flags, "it is still owed");
    });
});

describe("combinators", () => {
  says(
    "seqprops goes on after a step that would fail",
    () => seqprops(needs("nothing"), has("new", "x")),
    [
      "would fail needs nothing: FailedChange: cannot read DIR/nothing: no such file or directory",
      "would change new",
    ],
    { failed: true },
  );
  says(
    "eseqprops does not",
    () => eseqprops(has("new", "x"), needs("nothing"), has("other", "x")),
    [
      "would change new",
      "would fail needs nothing: FailedChange: cannot read DIR/nothing: no such file or directory",
      "skipped other (test.needs failed)",
    ],
    { failed: true },
  );
  says("a later step sees what an earlier one makes", () => eseqprops(has("new", "x"), needs("new")), [
    "would change new",
    "holds needs new",
  ]);
  says(
    "eseqpropsUntil ends at an error that is expected",
    () => eseqprops(eseqpropsUntil("FailedChange", needs("nothing"), has("a", "x")), has("b", "x")),
    [
      "skipped needs nothing (FailedChange: cannot read DIR/nothing: no such file or directory)",
      "skipped a (test.needs: FailedChange: cannot read DIR/nothing: no such file or directory)",
      "would change b",
    ],
  );
  says("withFlagfile, for the first time", () => withFlagfile(`${dir}/done`, has("new", "x"), runs("once")), [
    "would change … once (DIR/done): new, once",
    "  would change new",
    "  would change … once",
  ]);
  says("withFlagfile, whose flag is there", () => withFlagfile(`${dir}/file`, has("new", "x")), [
    "holds once (DIR/file): new",
  ]);
  says(
    "withFlagfile twice",
    () => eseqprops(withFlagfile(`${dir}/done`, has("a", "x")), withFlagfile(`${dir}/done`, has("b", "x"))),
    ["would change once (DIR/done): a", "  would change a", "holds once (DIR/done): b"],
  );
  says("unapplied", () => eseqprops(unapplied(has("file", "x")), unapplied(has("none", "x"))), [
    "would change not: file",
    "holds not: none",
  ]);
  says("concurrently", () => concurrently(has("file", "one\n"), has("new", "x")), [
    "holds file",
    "would change new",
  ]);
  says("within a time limit", () => within("10 s", has("new", "x"), runs("command")), [
    "would change new",
    "would change … command",
  ]);
  says("desc", () => desc("the shop", eseqprops(has("file", "one\n"), has("new", "x"))), [
    "would change the shop",
    "  holds file",
    "  would change new",
  ]);
  says(
    "desc of what is uncertain",
    () => eseqprops(runs("command", "file"), desc("the shop", has("file", "one\n"))),
    ["would change … command", "depends on [command], now unchanged: the shop"],
  );
  says("silentSeqprops", () => desc("the shop", silentSeqprops(has("file", "one\n"), has("new", "x"))), [
    "would change the shop",
  ]);
  says("withRequirements", () => withRequirements(needs("new"), has("new", "x")), [
    "would change new",
    "holds needs new",
  ]);
  const checked = (holds: boolean) =>
    property({
      check: async () => holds,
      apply: async (_: unknown, target: { run: Run }) => target.run("act"),
    });
  says(
    "withRequirementsForChange of what holds",
    () => withRequirementsForChange(checked(true), has("new", "x")),
    ["holds it"],
  );
  says(
    "withRequirementsForChange of what would change",
    () => withRequirementsForChange(checked(false), has("new", "x")),
    ["would change … it", "  would change new"],
  );
});

describe("what is inside a step that is uncertain", () => {
  says(
    "is uncertain, too: a follow-up with steps inside",
    () =>
      eseqprops(
        runs("command", "file"),
        onChange(has("file", "one\n"), desc("all", eseqprops(has("new", "x"), has("other", "y")))),
        has("last", "x"),
      ),
    [
      "would change … command",
      "depends on [command], now unchanged: file",
      "depends on [file], now changed: all",
      "  depends on [file], now changed: new",
      "  depends on [file], now changed: other",
      "would change last",
    ],
  );
  says(
    "is uncertain, too: whether there is a flag file",
    () => eseqprops(runs("command", "done"), withFlagfile(`${dir}/done`, has("new", "x")), has("new", "x")),
    [
      "would change … command",
      "depends on [command], now changed: once (DIR/done): new",
      "  depends on [command], now changed: new",
      "depends on [new], now unchanged: new",
    ],
  );
  says(
    "is certain when it is asked nothing that is not known",
    () => eseqprops(runs("command", "file"), desc("all", eseqprops(has("file", "one\n"), has("new", "x")))),
    [
      "would change … command",
      "would change all",
      "  depends on [command], now unchanged: file",
      "  would change new",
    ],
  );
});

describe("inline properties and lists", () => {
  const inline = defprop({
    name: "test.inline",
    kind: "posix",
    args: object({ application: propapp() }),
    call: (application: PropApp) => ({ application }),
    inline: true,
    apply: async ({ application }, target, steps) => {
      if (await target.succeeds(["test", "-e", `${dir}/gate`], { about: { paths: [`${dir}/gate`] } }))
        return steps.apply(application);
      return "unchanged";
    },
  });
  const list = defproplist({
    name: "test.list",
    args: object({}),
    call: () => ({}),
    desc: () => "all of it",
    parts: () => [has("file", "one\n"), has("new", "x")],
  });
  says("an inline property asks the host", () => inline(has("new", "x")), []);
  says(
    "what it applies depends on what its question depends on, and what is beside it does not",
    () =>
      eseqprops(runs("command", "gate"), desc("all", eseqprops(inline(has("new", "x")), has("more", "x")))),
    ["would change … command", "would change … all", "  would change more"],
  );
  says(
    "a step of which only an inline part is uncertain is uncertain",
    () =>
      eseqprops(
        runs("command", "gate"),
        desc("all", eseqprops(inline(has("new", "x")), has("file", "one\n"))),
      ),
    ["would change … command", "depends on [command], now unchanged: all", "  holds file"],
  );
  const refuses = defprop({
    name: "test.refuses",
    kind: "posix",
    args: object({ application: propapp() }),
    call: (application: PropApp) => ({ application }),
    inline: true,
    apply: async ({ application }, target, steps) => {
      await target.readFile(`${dir}/gate`);
      return steps.apply(application);
    },
  });
  says(
    "one that fails as the host is now, after a command that may help, is no failure",
    () => eseqprops(runs("command", "gate"), refuses(has("new", "x")), has("file", "one\n")),
    [
      "would change … command",
      "depends on [command], now failed: new (as the host is now, it would fail: cannot read DIR/gate: no such file or directory)",
      "holds file",
    ],
  );
  says(
    "one that fails for certain is a failure",
    () => refuses(has("new", "x")),
    ["would fail new: FailedChange: cannot read DIR/gate: no such file or directory"],
    { failed: true },
  );
  says("a list is one step, and its parts are inside", () => list(), [
    "would change all of it",
    "  holds file",
    "  would change new",
  ]);
  says(
    "an uncertain part makes the list depend, too",
    () =>
      eseqprops(runs("command", "file"), desc("all", eseqprops(has("file", "one\n"), has("file", "one\n")))),
    [
      "would change … command",
      "depends on [file, file], now changed: all",
      "  depends on [command], now unchanged: file",
      "  depends on [command], now unchanged: file",
    ],
  );
});

describe("at the end", () => {
  const work = (act: (target: { run: Run; writeFile: Run }) => Promise<unknown>) =>
    property({
      apply: async (_args: unknown, target: { atEnd: (key: string, act: unknown) => void }) => {
        target.atEnd("work", act);
        return "unchanged";
      },
    });
  says("work is planned", () => work((target) => target.writeFile(`${dir}/late`, "x" as never)), [
    "holds it",
    "would change at the end",
  ]);
  says("work that runs a command", () => work((target) => target.run("act")), [
    "holds it",
    "would change … at the end",
  ]);
  says(
    "work that would fail",
    () => work(() => Promise.reject(new Error("no end"))),
    ["holds it", "would fail at the end: Error: no end"],
    { failed: true },
  );
});

test("a plan that is stopped says so", async () => {
  let stopped: string | undefined;
  const application = eseqprops(has("new", "x"), has("other", "x"));
  const { steps, cancelled } = await planned(application, {
    stopped: () => stopped,
    emit: (event) => {
      if (event.kind === "step-ended") stopped = "stopped by the user";
    },
  });
  assert.deepEqual(steps, ["would change new", "skipped other (stopped by the user)"]);
  assert.equal(cancelled, true);
});

test("a step without a change of its own reports none", async () => {
  const { events } = await planned(eseqprops(has("file", "one\n"), has("new", "x\n")));
  assert.deepEqual(
    events.filter(({ kind }) => kind === "step-changed"),
    [
      {
        kind: "step-changed",
        step: 2,
        change: {
          kind: "file",
          change: "created",
          path: `${dir}/new`,
          type: "file",
          content: { form: "diff", diff: "@@ -0,0 +1 @@\n+x\n", added: 1, removed: 0 },
          mode: { to: 0o644 },
        },
      },
    ],
  );
});
