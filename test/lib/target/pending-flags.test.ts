import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { onBothTargets, targetOf } from "consfigurator/testing";

test("flags: set, seen by the next deployment, removed", (t) =>
  onBothTargets(t, async ({ kind, target, dir }) => {
    const later = () => targetOf(kind).state;
    const flags = path.join(dir, ".local/state/consfigurator/pending");
    assert.equal(await target.state.has("a.flag-1"), false);
    await target.state.clear("a.flag-1");
    await target.state.set("a.flag-1", "for people\n");
    await target.state.set("another", "");
    await target.state.set("another", "it may be set twice");
    assert.equal(await target.state.has("a.flag-1"), true);
    assert.equal(await later().has("a.flag-1"), true);
    assert.equal(readFileSync(path.join(flags, "a.flag-1"), "utf8"), "for people\n");
    for (const [file, mode] of [
      ["a.flag-1", 0o600],
      [".", 0o700],
      ["..", 0o700],
    ] as const)
      assert.equal(statSync(path.join(flags, file)).mode & 0o777, mode, file);
    assert.deepEqual(readdirSync(flags).sort(), ["a.flag-1", "another"]);
    await target.state.clear("a.flag-1");
    await target.state.clear("another");
    assert.equal(await target.state.has("a.flag-1"), false);
    assert.equal(await later().has("another"), false);
    assert.deepEqual(readdirSync(flags), []);
    await assert.rejects(
      target.state.set("../other", ""),
      new TypeError('a flag cannot be called "../other"; use letters, digits, dots, dashes and underscores'),
    );
  }));

test("flags that cannot be stored are a failure", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    const before = process.env["XDG_STATE_HOME"];
    process.env["XDG_STATE_HOME"] = path.join(dir, "file");
    writeFileSync(path.join(dir, "file"), "");
    try {
      await assert.rejects(target.state.set("a", ""), { name: "FailedChange", message: /the flag '?a'?/ });
      process.env["XDG_STATE_HOME"] = "relative/is/ignored";
      await target.state.set("a", "");
      assert.deepEqual(readdirSync(path.join(dir, ".local/state/consfigurator/pending")), ["a"]);
    } finally {
      if (before === undefined) delete process.env["XDG_STATE_HOME"];
      else process.env["XDG_STATE_HOME"] = before;
    }
  }));

test("within another home directory, flags are still those of the user, and the memory is separate", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    const inner = target.within({ home: "/srv", memory: { quiet: true } });
    await inner.state.set("a", "");
    assert.deepEqual(readdirSync(path.join(dir, ".local/state/consfigurator/pending")), ["a"]);
    inner.memory.set("learned", 1);
    assert.deepEqual([inner.memory.get("quiet"), inner.memory.has("quiet")], [true, true]);
    assert.deepEqual([target.memory.get("quiet"), target.memory.get("learned")], [undefined, 1]);
    inner.memory.set("quiet", false);
    assert.deepEqual([inner.memory.get("quiet"), target.memory.has("quiet")], [false, false]);
    assert.equal(inner.memory.delete("learned"), true);
    assert.equal(target.memory.has("learned"), false);
    assert.throws(
      () => target.within({ home: "srv" }),
      new TypeError('within({ home: "srv" }): home must be an absolute path'),
    );
  }));
