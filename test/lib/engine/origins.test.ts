import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import type { PropApp } from "../../../lib/model/property";
import { file, ssh } from "../../../properties";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z me@laptop";

/** Properties that create files, links and directories. */
const creating: readonly PropApp[] = [
  file.containsLines("a/b/f", "x"),
  file.containsLines("f", "x", "y"),
  file.existsWithContent("a/b/f", "x"),
  file.symlinked({ from: "a/b/l", to: "../c" }),
  ssh.authorizedKeys(key),
];

test("unapplied, nothing is left: no file, no directory, no mark", (t) =>
  onBothTargets(t, async ({ apply, unapply, dir }) => {
    for (const application of creating) {
      assert.equal(await apply(application), "changed");
      assert.equal(await unapply(application), "changed");
      assert.deepEqual(readdirSync(dir), [], `${application.property} ${JSON.stringify(application.args)}`);
    }
  }));

test("what was there before stays, empty as it may be", (t) =>
  onBothTargets(t, async ({ apply, unapply, snapshot, dir }) => {
    mkdirSync(`${dir}/a/b`, { recursive: true });
    mkdirSync(`${dir}/.ssh`, { mode: 0o700 });
    for (const name of ["f", ".ssh/authorized_keys"]) writeFileSync(`${dir}/${name}`, "", { mode: 0o600 });
    const before = snapshot();
    for (const application of creating) {
      assert.equal(await apply(application), "changed");
      assert.equal(await unapply(application), "changed");
      assert.deepEqual(snapshot(), before, application.property);
    }
  }));

test("what others have put there stays; the last one that is unapplied takes the rest along", (t) =>
  onBothTargets(t, async ({ apply, unapply, dir }) => {
    const [first, second] = [file.containsLines("a/f", "x"), file.containsLines("a/f", "y")];
    await apply(first);
    await apply(second);
    assert.equal(await unapply(first), "changed");
    assert.equal(readFileSync(`${dir}/a/f`, "utf8"), "y\n");
    writeFileSync(`${dir}/a/g`, "");
    assert.equal(await unapply(second), "changed");
    assert.deepEqual(readdirSync(`${dir}/a`), ["g"]);
    await apply(first);
    await unapply(first);
    assert.ok(existsSync(`${dir}/a/g`));
  }));
