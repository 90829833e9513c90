/** Runs the properties shown in docs/properties.md and docs/combinators.md. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { unapplied } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import { FailedChange, seqprops } from "../../lib/index";
import { defprop, type PropApp, properties } from "../../lib/model/property";
import { object } from "../../lib/model/schema";
import { type Consfig, openConsfig } from "../../lib/source/consfig";
import { applied, assertApplied } from "../support/applying";
import { blocksOf } from "../support/pages";
import * as toy from "../support/toy";

let root: string;
let consfig: Consfig;
before(() => {
  root = realpathSync(mkdtempSync(path.join(tmpdir(), "docs-")));
  for (const { file, text } of ["docs/properties.md", "docs/combinators.md"].flatMap(blocksOf)) {
    if (!file) continue;
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
  consfig = openConsfig(root);
  const { error } = consfig.refresh();
  if (error) throw error;
});
after(() => {
  consfig.close();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => void toy.takeDone());

/** Calls a property defined in the docs. */
const call = (name: string, ...args: unknown[]): PropApp => {
  const property = properties.get(name) as ((...args: unknown[]) => PropApp) | undefined;
  assert.ok(property, name);
  return property(...args);
};

test("envfile.sets: applied, applied again, undone, over a shell and in the agent", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain, unapply, check }) => {
    const file = path.join(dir, "shop.env");
    writeFileSync(file, "# the shop\nPORT=80\n");
    const sets = call("envfile.sets", "shop.env", "PORT", "8080");
    assert.equal(await check(sets), false);
    assert.equal(await apply(sets), "changed");
    assert.equal(readFileSync(file, "utf8"), "# the shop\nPORT=8080\n");
    await applyAgain(sets);
    assert.equal(await apply(call("envfile.setsAll", "shop.env", { PORT: "8080", NAME: "a b" })), "changed");
    assert.equal(
      await unapply(call("envfile.setsAll", "shop.env", { PORT: "8080", NAME: "a b" })),
      "changed",
    );
    assert.equal(readFileSync(file, "utf8"), "# the shop\n");
  }));

test("envfile.sets: refuses two values for one name, and invalid names", () => {
  const twice = seqprops(call("envfile.sets", "e", "PORT", "1"), call("envfile.sets", "e", "PORT", "2"));
  assert.throws(
    () => prepare({ name: "web1" }, twice),
    /: e PORT=1 is already declared; remove one of the two$/,
  );
  assert.throws(
    () => call("envfile.sets", "e", "port", "1"),
    /^InvalidArguments: envfile\.sets: args\.name is "port"; it must be a variable, such as "PORT"$/,
  );
});

test("port.answers", async (t) => {
  const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await new Promise((settled) => server.once("listening", settled));
  const { port } = server.address() as { port: number };
  assertApplied(await applied(call("port.answers", port)), {
    change: "unchanged",
    steps: [`unchanged port ${port} answers`],
  });
});

test("shop.listens applies another property inside its own step", (t) =>
  onBothTargets(t, async ({ dir, apply }) => {
    writeFileSync(path.join(dir, "used-ports"), "80\n");
    assert.equal(await apply(call("shop.listens", 80, 81)), "changed");
    assert.equal(readFileSync(path.join(dir, "shop.env"), "utf8"), "PORT=81\n");
  }));

describe("often.retried", () => {
  let attempts = 0;
  const succeedsThird = defprop({
    name: "test.succeedsThird",
    kind: "posix",
    args: object({}),
    call: () => ({}),
    desc: () => "server",
    apply: async () => {
      attempts += 1;
      if (attempts < 3) throw new FailedChange(`no answer, ${attempts}`);
      return "changed";
    },
  });
  const once = "skipped server (FailedChange: no answer, 1)";
  const twice = "skipped server (FailedChange: no answer, 2)";
  beforeEach(() => {
    attempts = 0;
  });

  test("does not fail when an attempt succeeds", async () => {
    assertApplied(await applied(call("often.retried", 5, succeedsThird())), {
      change: "changed",
      steps: [once, twice, "changed server"],
    });
  });

  test("fails when the last attempt fails", async () => {
    assertApplied(await applied(seqprops(call("often.retried", 2, succeedsThird()), toy.rests("b"))), {
      change: "changed",
      failed: true,
      steps: [once, "failed server: FailedChange: no answer, 2", "unchanged b"],
    });
  });

  test("is unapplied by unapplying its property, or refused", async () => {
    assertApplied(await applied(unapplied(call("often.retried", 2, toy.changes("a")))), {
      change: "changed",
      steps: ["changed not: a"],
    });
    assert.throws(
      () => prepare({ name: "web1" }, unapplied(call("often.retried", 2, toy.oneWay("a")))),
      /: toy\.oneWay cannot be unapplied$/,
    );
  });
});
