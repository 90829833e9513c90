/** Where another user can write: what root refuses, with which words, and what it does all the same. On both targets. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { describe, test } from "node:test";
import { onBothTargets } from "consfigurator/testing";

const NOBODY = 65534;
const isRoot = process.geteuid?.() === 0;
const skip = isRoot ? false : "only root has rights that another user could abuse";

const failure = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => "it did not fail",
    (error: Error) => error.message,
  );

describe("paths that another user can change", { skip }, () => {
  test("a link of another user is not followed", (t) =>
    onBothTargets(t, async ({ target, dir }) => {
      fs.writeFileSync(`${dir}/secret`, "of root\n");
      fs.symlinkSync("secret", `${dir}/link`);
      fs.lchownSync(`${dir}/link`, NOBODY, NOBODY);
      const refused = (act: string) =>
        `cannot ${act} ${dir}/link: the link ${dir}/link belongs to the user nobody; root does not follow it; give the path that it leads to, or apply this as that user with as(…)`;
      assert.equal(await failure(target.writeFile(`${dir}/link`, "x")), refused("write"));
      assert.equal(await failure(target.setMode(`${dir}/link`, 0o666)), refused("set the mode of"));
      assert.equal(await failure(target.editLines(`${dir}/link`, () => ["x"])), refused("write"));
      assert.equal(fs.readFileSync(`${dir}/secret`, "utf8"), "of root\n");
      assert.equal(fs.statSync(`${dir}/secret`).mode & 0o777, 0o644);
    }));

  test("nor is a link that another user could have put there; in /tmp root's own are", (t) =>
    onBothTargets(t, async ({ target, dir }) => {
      fs.writeFileSync(`${dir}/file`, "old\n");
      for (const [name, mode] of [
        ["theirs", 0o755],
        ["shared", 0o1777],
      ] as const) {
        fs.mkdirSync(`${dir}/${name}`);
        fs.symlinkSync("../file", `${dir}/${name}/link`);
        if (name === "theirs") fs.chownSync(`${dir}/${name}`, NOBODY, NOBODY);
        fs.chmodSync(`${dir}/${name}`, mode);
      }
      assert.equal(
        await failure(target.writeFile(`${dir}/theirs/link`, "new\n")),
        `cannot write ${dir}/theirs/link: the link ${dir}/theirs/link is in a directory that other users can write to; root does not follow it; give the path that it leads to, or apply this as that user with as(…)`,
      );
      await target.writeFile(`${dir}/shared/link`, "new\n");
      assert.equal(fs.readFileSync(`${dir}/file`, "utf8"), "new\n");
    }));

  test("a file with further names is not touched in the directory of another user", (t) =>
    onBothTargets(t, async ({ target, dir }) => {
      fs.writeFileSync(`${dir}/secret`, "of root\n", { mode: 0o600 });
      fs.mkdirSync(`${dir}/theirs`);
      fs.linkSync(`${dir}/secret`, `${dir}/theirs/file`);
      fs.chownSync(`${dir}/theirs`, NOBODY, NOBODY);
      const refused = (act: string) =>
        `cannot ${act} ${dir}/theirs/file: ${dir}/theirs/file has further names (hard links), and other users can write to its directory`;
      assert.equal(await failure(target.setMode(`${dir}/theirs/file`, 0o666)), refused("set the mode of"));
      assert.equal(
        await failure(target.setOwner(`${dir}/theirs/file`, { user: "nobody" })),
        refused("set the owner of"),
      );
      const { mode, uid } = fs.statSync(`${dir}/secret`);
      assert.deepEqual([mode & 0o777, uid], [0o600, 0]);
    }));

  test("everything else is done there as anywhere", (t) =>
    onBothTargets(t, async ({ target, dir }) => {
      fs.mkdirSync(`${dir}/theirs`);
      fs.writeFileSync(`${dir}/theirs/old`, "old\n", { mode: 0o640 });
      fs.chownSync(`${dir}/theirs/old`, NOBODY, NOBODY);
      fs.chownSync(`${dir}/theirs`, NOBODY, NOBODY);
      await target.writeFile(`${dir}/theirs/old`, "new\n");
      await target.writeFile(`${dir}/theirs/new`, "new\n", { mode: 0o600 });
      await target.makeDirectory(`${dir}/theirs/a/b`, { mode: 0o700 });
      await target.setOwner(`${dir}/theirs/a/b`, { user: "nobody", group: "nogroup" });
      await target.setMode(`${dir}/theirs/old`, 0o4711);
      await target.symlink(`${dir}/theirs/link`, "old");
      await target.rename(`${dir}/theirs/new`, `${dir}/theirs/renamed`);
      await target.remove(`${dir}/theirs/a`, { recursive: true });
      const { mode, uid } = fs.statSync(`${dir}/theirs/old`);
      assert.deepEqual([mode & 0o7777, uid], [0o4711, NOBODY]);
      assert.deepEqual(fs.readdirSync(`${dir}/theirs`).sort(), ["link", "old", "renamed"]);
    }));

  test("setuid and setgid do not pass to new content there", (t) =>
    onBothTargets(t, async ({ target, dir }) => {
      fs.mkdirSync(`${dir}/theirs`);
      for (const name of ["theirs/file", "file"]) {
        fs.writeFileSync(`${dir}/${name}`, "old\n");
        fs.chmodSync(`${dir}/${name}`, 0o6755);
      }
      fs.chownSync(`${dir}/theirs`, NOBODY, NOBODY);
      await target.writeFile(`${dir}/theirs/file`, "new\n");
      await target.writeFile(`${dir}/file`, "new\n");
      const modes = ["theirs/file", "file"].map((name) => fs.statSync(`${dir}/${name}`).mode & 0o7777);
      assert.deepEqual(modes, [0o755, 0o6755]);
    }));

  test("a temporary file is not made where another user could replace it", (t) =>
    onBothTargets(t, async ({ target, dir }) => {
      fs.mkdirSync(`${dir}/theirs`);
      fs.chownSync(`${dir}/theirs`, NOBODY, NOBODY);
      assert.match(
        await failure(target.withTemporaryFile(async () => {}, { directory: `${dir}/theirs` })),
        /: other users can write to .*\/theirs, and could replace it; omit `directory`$/,
      );
      assert.deepEqual(fs.readdirSync(`${dir}/theirs`), []);
    }));

  test("what is mounted is not emptied", (t) =>
    onBothTargets(t, async ({ target, dir }) => {
      fs.mkdirSync(`${dir}/tree/mounted`, { recursive: true });
      fs.mkdirSync(`${dir}/outside`);
      fs.writeFileSync(`${dir}/outside/kept`, "");
      execFileSync("mount", ["--bind", `${dir}/outside`, `${dir}/tree/mounted`]);
      try {
        const refused = (act: string, where: string) =>
          `cannot ${act} ${dir}/${where}: something is mounted at ${dir}/tree/mounted; unmount it first`;
        assert.equal(
          await failure(target.remove(`${dir}/tree`, { recursive: true })),
          refused("remove", "tree"),
        );
        assert.equal(
          await failure(target.remove(`${dir}/tree/mounted`, { recursive: true })),
          refused("remove", "tree/mounted"),
        );
        assert.equal(await failure(target.emptyDirectory(`${dir}/tree`)), refused("empty", "tree"));
        assert.deepEqual(fs.readdirSync(`${dir}/outside`), ["kept"]);
        assert.equal(await target.emptyDirectory(`${dir}/tree/mounted`), "changed");
        assert.deepEqual(fs.readdirSync(`${dir}/outside`), []);
      } finally {
        execFileSync("umount", [`${dir}/tree/mounted`]);
      }
    }));

  test("only what belonged to the old owner gets the new one", (t) =>
    onBothTargets(t, async ({ target, dir }) => {
      fs.mkdirSync(`${dir}/home/a`, { recursive: true });
      for (const name of ["mine", "a/mine", "theirs"]) fs.writeFileSync(`${dir}/home/${name}`, "");
      fs.symlinkSync("/etc/passwd", `${dir}/home/link`);
      for (const name of ["", "a", "mine", "a/mine", "link"])
        fs.lchownSync(`${dir}/home/${name}`, 4001, 4001);
      fs.chownSync(`${dir}/home/theirs`, 4002, 4001);
      const move = () =>
        target.reassignOwner(`${dir}/home`, { uid: 4001, gid: 4001 }, { uid: 4005, gid: 4006 });
      assert.equal(await move(), "changed");
      assert.equal(await move(), "unchanged");
      const owners = ["", "a", "mine", "a/mine", "link", "theirs"].map((name) => {
        const { uid, gid } = fs.lstatSync(`${dir}/home/${name}`);
        return `${uid}:${gid}`;
      });
      assert.deepEqual(owners, [...Array(5).fill("4005:4006"), "4002:4006"]);
      assert.equal(fs.statSync("/etc/passwd").uid, 0);
    }));
});

test("an empty directory is removed, a full one and a file are not", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    fs.mkdirSync(`${dir}/full/empty`, { recursive: true });
    fs.writeFileSync(`${dir}/file`, "");
    assert.equal(await target.removeEmptyDirectory(`${dir}/nothing`), "unchanged");
    assert.equal(
      await failure(target.removeEmptyDirectory(`${dir}/full`)),
      `cannot remove ${dir}/full: directory not empty`,
    );
    assert.equal(
      await failure(target.removeEmptyDirectory(`${dir}/file`)),
      `cannot remove ${dir}/file: not a directory`,
    );
    assert.equal(await target.removeEmptyDirectory(`${dir}/full/empty`), "changed");
    assert.deepEqual(fs.readdirSync(`${dir}/full`), []);
  }));

test("a copy has the mode and the times of its source", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    fs.writeFileSync(`${dir}/source`, Buffer.alloc(3_000_000, "x"));
    fs.chmodSync(`${dir}/source`, 0o750);
    fs.utimesSync(`${dir}/source`, 1_000_000_000, 1_000_000_000);
    fs.symlinkSync("source", `${dir}/link`);
    fs.symlinkSync("source", `${dir}/copy`);
    await target.copyFile("link", "copy");
    const { mode, mtimeMs } = fs.lstatSync(`${dir}/copy`);
    assert.deepEqual([mode & 0o7777, mtimeMs], [0o750, 1_000_000_000_000]);
    assert.ok(fs.lstatSync(`${dir}/copy`).isFile(), "a link at the destination is replaced");
    assert.ok(fs.readFileSync(`${dir}/copy`).equals(fs.readFileSync(`${dir}/source`)));
    assert.equal(
      await failure(target.copyFile("gone", "copy")),
      "cannot copy gone to copy: no such file or directory",
    );
  }));
