/** What a write must preserve, on real file systems and as different users. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { file } from "../../properties";
import { needsMachines } from "../support/machines";

const sh = (command: string, cwd: string): string =>
  execFileSync("sh", ["-c", command], { cwd, encoding: "utf8" });

test("mode and owner stay, including setuid and sticky", needsMachines(), (t) =>
  onBothTargets(t, async ({ dir, apply }) => {
    for (const mode of [0o4755, 0o2755, 0o1644, 0o600, 0o400, 0]) {
      writeFileSync(`${dir}/f`, "old\n");
      chownSync(`${dir}/f`, 1, 8);
      chmodSync(`${dir}/f`, mode);
      assert.equal(await apply(file.containsLines("f", "new")), "changed");
      const { mode: now, uid, gid } = lstatSync(`${dir}/f`);
      assert.deepEqual([now & 0o7777, uid, gid], [mode, 1, 8]);
      assert.equal(await apply(file.hasContent("f", "x", { mode: 0o4710 })), "changed");
      assert.equal(lstatSync(`${dir}/f`).mode & 0o7777, 0o4710);
      chmodSync(`${dir}/f`, 0o644);
    }
    assert.deepEqual(readdirSync(dir), ["f"]);
  }),
);

test("ACLs and extended attributes stay, the time does not", needsMachines(), (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    writeFileSync(`${dir}/f`, "old\n");
    sh("setfacl -m u:daemon:rw,g:mail:r f && setfattr -n user.note -v 'a b' f && touch -d 2001-01-01 f", dir);
    const metadata = () => sh("getfacl -n f; getfattr -d f; stat -c %a f", dir);
    const before = metadata();
    assert.match(before, /user:1:rw-\n[\s\S]*user.note="a b"/);
    const application = file.containsLines("f", "new");
    assert.equal(await apply(application), "changed");
    assert.equal(metadata(), before);
    assert.ok(Date.now() - lstatSync(`${dir}/f`).mtimeMs < 60_000);
    await applyAgain(application);
  }),
);

test("a link is followed to its file, through other links and to a missing file", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    mkdirSync(`${dir}/real`);
    writeFileSync(`${dir}/real/f`, "old\n");
    chmodSync(`${dir}/real/f`, 0o600);
    symlinkSync("real/second", `${dir}/first`);
    symlinkSync("../real/f", `${dir}/real/second`);
    symlinkSync(`${dir}/real/new`, `${dir}/dangling`);
    symlinkSync("cycle", `${dir}/cycle`);
    assert.equal(await apply(file.containsLines("first", "new")), "changed");
    await applyAgain(file.containsLines("first", "new"));
    assert.equal(readFileSync(`${dir}/real/f`, "utf8"), "old\nnew\n");
    assert.equal(lstatSync(`${dir}/real/f`).mode & 0o7777, 0o600);
    assert.equal(await apply(file.hasContent("dangling", "made")), "changed");
    assert.equal(lstatSync(`${dir}/real/new`).mode & 0o7777, 0o644);
    assert.equal(readlinkSync(`${dir}/first`), "real/second");
    await assert.rejects(apply(file.hasContent("cycle", "x")), {
      name: "FailedChange",
      message: "cannot write cycle: too many levels of symbolic links",
    });
    // An absolute link would differ between the two directories.
    sh("ln -sfn real/new dangling", dir);
  }));

test("a full disk leaves the old content", needsMachines(), (t) =>
  onBothTargets(t, async ({ dir, apply, snapshot }) => {
    mkdirSync(`${dir}/small`);
    sh("mount -t tmpfs -o size=64k,mode=755 none small", dir);
    try {
      writeFileSync(`${dir}/small/f`, "old\n");
      const before = snapshot();
      await assert.rejects(apply(file.hasContent("small/f", "x".repeat(200_000))), {
        name: "FailedChange",
        message: "cannot write small/f: no space left on device",
      });
      assert.deepEqual(snapshot(), before);
    } finally {
      sh("umount small", dir);
    }
  }),
);

test("a file that is a mount point is written in place", needsMachines(), (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    writeFileSync(`${dir}/f`, "");
    writeFileSync(`${dir}/g`, "old and longer\n");
    chmodSync(`${dir}/g`, 0o640);
    sh("mount --bind g f", dir);
    try {
      assert.equal(await apply(file.hasContent("f", "new")), "changed");
      await applyAgain(file.hasContent("f", "new"));
      assert.equal(await apply(file.hasContent("f", "new", { mode: 0o600 })), "changed");
    } finally {
      sh("umount f", dir);
    }
    assert.equal(readFileSync(`${dir}/g`, "utf8"), "new\n");
    assert.deepEqual(readdirSync(dir).sort(), ["f", "g"]);
  }),
);

test("an ordinary user", needsMachines(), () => {
  const dir = mkdtempSync(path.join(tmpdir(), "ordinary-"));
  chmodSync(dir, 0o777);
  const script = path.join(__dirname, "../support/_asNobody.ts");
  const register = path.join(__dirname, "../../lib/source/register.js");
  try {
    const args = ["--require", register, script, dir];
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 0, stderr + stdout);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
