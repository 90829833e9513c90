import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import {
  desc,
  eseqprops,
  ignoringHostattrs,
  seqprops,
  unapplied,
  withFlagfile,
  withHomedir,
} from "../../../lib/combinators";
import { prepare } from "../../../lib/engine/prepare";
import { InvalidArguments } from "../../../lib/model/errors";
import { HostModel } from "../../../lib/model/host";
import { defprop } from "../../../lib/model/property";
import { object } from "../../../lib/model/schema";
import { applied, assertApplied, table } from "../../support/applying";
import * as toy from "../../support/toy";

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "context-"));
});
after(() => rmSync(dir, { recursive: true, force: true }));
beforeEach(() => void toy.takeDone());

describe("desc", () => {
  table({
    "is one step with the given text": [
      () => desc("the shop is online", toy.changes("a")),
      { change: "changed", steps: ["changed the shop is online"], done: ["a"] },
    ],
    "a sequence becomes a step that contains its steps": [
      () => desc("the shop is online", eseqprops(toy.changes("a"), toy.rests("b"))),
      { change: "changed", steps: ["changed the shop is online", "  changed a", "  unchanged b"] },
    ],
    "a failure is reported with the given text": [
      () => seqprops(desc("the shop is online", toy.fails("a")), desc("the rest", toy.rests("b"))),
      {
        change: "changed",
        failed: true,
        steps: ["failed the shop is online: FailedChange: a went wrong", "unchanged the rest"],
      },
    ],
    "also when skipped or unapplied": [
      () =>
        eseqprops(
          unapplied(desc("one", toy.changes("a"))),
          toy.fails("x"),
          desc("two", seqprops(toy.rests("b"))),
        ),
      {
        change: "changed",
        failed: true,
        steps: ["changed not: one", "failed x: FailedChange: x went wrong", "skipped two (toy.fails failed)"],
      },
    ],
    "the outer text is outermost": [
      () => desc("outer", desc("inner", toy.rests("a"))),
      { change: "unchanged", steps: ["unchanged outer", "  unchanged inner"] },
    ],
  });
});

describe("withFlagfile", () => {
  test("applies once, and unapplies once", async () => {
    const flag = path.join(dir, "flags/imported");
    const once = () => withFlagfile(flag, toy.changes("a"), toy.rests("b"));
    assertApplied(await applied(once()), {
      change: "changed",
      steps: [`changed once (${flag}): a, b`, "  changed a", "  unchanged b"],
      done: ["a"],
    });
    assert.equal(readFileSync(flag, "utf8"), "");
    assertApplied(await applied(once()), {
      change: "unchanged",
      steps: [`unchanged once (${flag}): a, b`],
      done: [],
    });
    assertApplied(await applied(unapplied(once())), {
      change: "changed",
      steps: [`changed not: once (${flag}): a, b`, "  unchanged not: b", "  changed not: a"],
      done: ["not a"],
    });
    assert.equal(existsSync(flag), false);
    assertApplied(await applied(unapplied(once())), {
      change: "unchanged",
      steps: [`unchanged not: once (${flag}): a, b`],
      done: [],
    });
  });

  test("does not create the file after a failure, except one that a sequence inside tolerates", async () => {
    const flag = path.join(dir, "failing");
    await applied(seqprops(withFlagfile(flag, toy.rests("a"), toy.fails("b"))));
    assert.equal(existsSync(flag), false);
    await applied(withFlagfile(flag, seqprops(toy.fails("b"))));
    assert.equal(existsSync(flag), true);
  });
});

/** Prints the home and working directories. */
const looks = defprop({
  name: "test.looks",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "looks",
  apply: async (_args, target) => {
    const { stdout } = await target.run("pwd; echo $HOME; cat here");
    target.inform([stdout, await target.readFile("here"), (await target.identity()).home].join(""));
    return target.ensureContent("made/it", "");
  },
  unapply: async (_args, target) => target.remove("made/it"),
});

test("withHomedir: commands, relative paths and identity", (t) =>
  onBothTargets(t, async ({ apply, unapply, output, dir: outer }) => {
    const home = path.join(outer, "it's home");
    mkdirSync(home);
    writeFileSync(path.join(home, "here"), "inner\n");
    writeFileSync(path.join(outer, "here"), "outer\n");
    const cwd = process.cwd();
    await apply(seqprops(withHomedir({ dir: `${home}/` }, looks()), looks()));
    assert.equal(
      output(),
      [`${home}\n${home}\ninner\ninner\n${home}\n`, `${outer}\n${outer}\nouter\nouter\n${outer}\n`].join(""),
    );
    assert.equal(existsSync(`${home}/made/it`), true);
    assert.equal(process.cwd(), cwd);
    await unapply(withHomedir({ dir: home }, looks()));
    assert.deepEqual([existsSync(`${home}/made/it`), existsSync(`${outer}/made/it`)], [false, true]);
  }));

describe("withHomedir", () => {
  test("of a user", async () => {
    const { events } = await applied(withHomedir({ user: "root" }, toy.runs("pwd")));
    assert.deepEqual(
      events.flatMap((event) => (event.kind === "step-output" ? [event.text] : [])),
      ["/root\n"],
    );
  });

  test("of a user that the host does not have", async () => {
    assertApplied(
      await applied(seqprops(withHomedir({ user: "nobody-at-all" }, toy.changes("a")), toy.rests("b"))),
      {
        change: "unchanged",
        failed: true,
        steps: [
          `failed a: AbortedChange: there is no user nobody-at-all on this host; apply user.hasAccount("nobody-at-all") first`,
          "unchanged b",
        ],
        done: [],
      },
    );
  });

  test("a user and a directory, or neither, is refused", () => {
    for (const home of [{ user: "ana", dir: "/srv/ana" }, {}]) {
      assert.throws(
        () => withHomedir(home as { user: string }, toy.rests("a")),
        new InvalidArguments(
          `withHomedir: args.home is ${JSON.stringify(home)}; it must be { user: "ana" } or { dir: "/srv/ana" }`,
        ),
      );
    }
  });
});

test("ignoringHostattrs only prevents that facts are recorded", async () => {
  const model = HostModel.named("web1");
  prepare({ name: "web1" }, seqprops(toy.states("a"), ignoringHostattrs(seqprops(toy.states("b")))), model);
  assert.deepEqual(model.all(toy.fact), ["a"]);
  assertApplied(await applied(unapplied(ignoringHostattrs(toy.changes("a")))), {
    change: "changed",
    steps: ["changed not: a"],
  });
});

test("each refuses to unapply an irreversible property", () => {
  const way = toy.oneWay("a");
  for (const around of [
    desc("it", way),
    withFlagfile("/flag", way),
    withHomedir({ dir: "/srv" }, way),
    ignoringHostattrs(way),
  ]) {
    assert.throws(() => prepare({ name: "web1" }, unapplied(around)), /: toy\.oneWay cannot be unapplied$/);
  }
});
