import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { userInfo } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { onBothTargets, targetOf } from "consfigurator/testing";
import type { HostChange } from "../../../lib/model/changes";
import { Cancelled, FailedChange, RunFailed } from "../../../lib/model/errors";
import { promised } from "../../support/load";
import { until } from "../../support/until";

/** The message of what `promise` rejects with, after its class. */
const failure = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof FailedChange) return `${error.name}: ${error.message}`;
    throw error;
  }
  throw new assert.AssertionError({ message: "it did not fail" });
};

test("run", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    assert.deepEqual(await target.run("echo out; echo err >&2; pwd; echo $HOME"), {
      exit: 0,
      stdout: `out\n${dir}\n${dir}\n`,
      stderr: "err\n",
    });
    assert.equal(
      (await target.run(["printf", "%s|", "a b", "$HOME", "it's", ""])).stdout,
      "a b|$HOME|it's||",
    );
    assert.equal((await target.run("cat", { input: Buffer.from([0, 255, 10]) })).stdout, "\0\ufffd\n");
    assert.equal((await target.run("cat")).stdout, "");
    assert.equal((await target.run("true", { input: "x".repeat(1_000_000) })).exit, 0);
    const env = { NEW: "a $HOME 'b'", PATH: "/usr/bin:/bin", LOGNAME: null };
    assert.equal(
      (await target.run('echo "$NEW|$PATH|${LOGNAME-unset}"', { env })).stdout,
      "a $HOME 'b'|/usr/bin:/bin|unset\n",
    );
    mkdirSync(`${dir}/sub dir`);
    assert.equal((await target.run("pwd", { cwd: "sub dir" })).stdout, `${dir}/sub dir\n`);
    assert.equal((await target.run("exit 97", { mayFail: true })).exit, 97);
    assert.equal((await target.run("kill -9 $$", { mayFail: true })).exit, 137);
    assert.equal(await target.succeeds(["test", "-d", "sub dir"]), true);
    assert.equal(await target.succeeds("false"), false);
    assert.equal(await target.hasCommand("sh"), true);
    assert.equal(await target.hasCommand("no-such-command"), false);
  }));

test("run that fails", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    const failed = await target.run("echo almost; echo no space >&2; exit 3").catch((error) => error);
    assert.ok(failed instanceof RunFailed);
    assert.equal(failed.message, "`echo almost; echo no space >&2; exit 3` ended with exit code 3: no space");
    assert.deepEqual(failed.result, { exit: 3, stdout: "almost\n", stderr: "no space\n" });
    assert.equal(
      await failure(target.run("touch here", { cwd: "nowhere", mayFail: true })),
      "FailedChange: cannot run `touch here` in nowhere: no such file or directory; give it another `cwd`".replace(
        "no such file or directory",
        `can't cd to ${dir}/nowhere`,
      ),
    );
    assert.equal(existsSync(`${dir}/here`), false);
    assert.equal(
      await failure(target.run("echo s3cret; exit 1", { secret: true, inform: true })),
      "RunFailed: `a command that is secret` ended with exit code 1",
    );
  }));

test("run shows its output live", async (t) => {
  for (const kind of ["agent", "posix"] as const) {
    await t.test(kind, async () => {
      const said: string[] = [];
      const target = targetOf(kind, { output: (stream, text) => void said.push(`${stream} ${text}`) });
      await target.run("printf é; sleep 0.2; echo more >&2", { inform: true });
      await target.run("echo quiet");
      target.inform("a note");
      assert.deepEqual(said, ["stdout é", "stderr more\n", "stdout a note\n"]);
    });
  }
});

test("a cancelled command is ended with all that it started", async (t) => {
  for (const kind of ["agent", "posix"] as const) {
    await t.test(kind, async () => {
      const controller = new AbortController();
      const target = targetOf(kind, { signal: controller.signal });
      const mark = `86${process.pid}${kind === "agent" ? 1 : 2}`;
      const running = target.run(`sleep ${mark} & sleep ${mark}; echo never`);
      const processes = () => execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });
      const sleeping = () => processes().match(new RegExp(`^sleep ${mark}$`, "gm"));
      await until("both", () => sleeping()?.length === 2, { saw: processes });
      controller.abort();
      await assert.rejects(
        running,
        new Cancelled(`cancelled: \`sleep ${mark} & sleep ${mark}; echo never\` was ended`),
      );
      await until("the end of both", () => !processes().includes(`sleep ${mark}`), { saw: processes });
      await assert.rejects(target.run("true"), new Cancelled("cancelled: `true` was not started"));
      await assert.rejects(target.writeFile("/nonexistent/x", ""), Cancelled);
    });
  }
});

test("so is what outlives the shell of the command", async (t) => {
  for (const kind of ["agent", "posix"] as const) {
    await t.test(kind, async () => {
      const controller = new AbortController();
      const target = targetOf(kind, { signal: controller.signal });
      const mark = `0.87${process.pid}${kind === "agent" ? 1 : 2}`;
      const running = target.run(`(trap '' TERM; while :; do sleep ${mark}; done) & wait`);
      const processes = () => execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });
      await until("the child", () => processes().match(new RegExp(`^sleep ${mark}$`, "m")), {
        saw: processes,
      });
      controller.abort();
      await assert.rejects(running, Cancelled);
      await until("its end", () => !processes().includes(mark), { seconds: 1, saw: processes });
    });
  }
});

test("a command that is cancelled while it is being started is ended, too", (t) =>
  onBothTargets(t, async ({ kind, dir }) => {
    const controller = new AbortController();
    const running = targetOf(kind, { signal: controller.signal }).run(`sleep 60; touch ${dir}/done`);
    controller.abort();
    await assert.rejects(running, Cancelled);
    assert.equal(existsSync(`${dir}/done`), false);
  }));

test("a daemon that keeps the output open holds nobody up, and what is printed meanwhile is read", (t) =>
  onBothTargets(t, async ({ target }) => {
    const inTime = promised(15, "a command whose daemon keeps the output open");
    const { stdout, exit } = await target.run(
      "sleep 30 & echo $!; { for i in 1 2 3; do sleep 0.4; echo $i; done; } & exit 7",
      { mayFail: true },
    );
    const [pid, ...printed] = stdout.trim().split("\n");
    assert.deepEqual([exit, printed], [7, ["1", "2", "3"]]);
    inTime();
    process.kill(Number(pid));
  }));

test("locale and umask are the same, whatever those of the login are", async (t) => {
  const before = { ...process.env };
  const umask = process.umask(0o077);
  t.after(() => {
    process.umask(umask);
    process.env = before;
  });
  process.env = { ...before, LANG: "de_DE.UTF-8", LC_ALL: "de_DE.UTF-8", LC_TIME: "de_DE", LANGUAGE: "de" };
  for (const kind of ["agent", "posix"] as const) {
    const { stdout } = await targetOf(kind).run("env | grep -E '^(LC_|LANG)'; umask", { cwd: "/" });
    assert.equal(stdout, "LANG=C.UTF-8\n0022\n", kind);
    const env = { LC_ALL: "POSIX", LANG: null };
    const own = await targetOf(kind).run("env | grep -E '^(LC_|LANG)'", { cwd: "/", env });
    assert.equal(own.stdout, "LC_ALL=POSIX\n", kind);
  }
});

test("a command of any length, with any characters and an input", (t) =>
  onBothTargets(t, async ({ target }) => {
    const text = 'it\'s \\n \\\\ 100% é $HOME `x` "y"\t!\n'.repeat(6000);
    const script = `cat; cat <<'END'\n${text}END\nexit 3`;
    const result = await target.run(script, { input: "the input\n", mayFail: true });
    assert.deepEqual([result.exit, result.stdout === `the input\n${text}`], [3, true]);
    const failed = await target.run(`false ${"x ".repeat(100_000)}`).catch((error) => error);
    assert.ok(failed instanceof RunFailed);
    assert.equal(failed.message, `\`false ${"x ".repeat(97)}…\` ended with exit code 1`);
  }));

test("secret commands and their environment are not in the list of processes", (t) =>
  onBothTargets(t, async ({ target, kind }) => {
    const mark = `mark${process.pid}${kind}`;
    const env = { TOKEN: mark };
    const { stdout } = await target.run(`: ${mark}; echo "$TOKEN"; ps -ewwo args`, { secret: true, env });
    assert.equal(stdout.split(mark).length - 1, 1);
  }));

test("stat, lstat, readLink, list", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    writeFileSync(`${dir}/file`, "12345");
    chmodSync(`${dir}/file`, 0o4750);
    symlinkSync("file", `${dir}/link`);
    symlinkSync("gone", `${dir}/dangling`);
    symlinkSync("circle", `${dir}/circle`);
    mkdirSync(`${dir}/.d/e`, { recursive: true });
    chmodSync(`${dir}/.d`, 0o1777);
    const { ino, dev, mtimeMs } = lstatSync(`${dir}/file`);
    const { uid, gid } = userInfo();
    const file = {
      type: "file",
      mode: 0o4750,
      uid,
      gid,
      size: 5,
      mtime: Math.floor(mtimeMs / 1000),
      id: `${dev}:${ino}`,
    };
    assert.deepEqual(await target.stat("file"), file);
    assert.deepEqual(await target.stat("link"), file);
    assert.equal((await target.lstat("link"))?.type, "symlink");
    assert.equal((await target.lstat(`${dir}/.d/`))?.mode, 0o1777);
    for (const absent of ["gone", "dangling", "circle", "file/below", "gone/below"])
      assert.equal(await target.stat(absent), undefined, absent);
    assert.equal(await target.lstat("gone"), undefined);
    assert.equal((await target.lstat("dangling"))?.type, "symlink");
    assert.equal((await target.stat("/dev/null"))?.type, "other");
    assert.equal(await target.readLink("dangling"), "gone");
    assert.equal(await target.readLink("file"), undefined);
    assert.equal(await target.readLink("gone"), undefined);
    assert.deepEqual(await target.list("."), [".d", "circle", "dangling", "file", "link"]);
    assert.deepEqual(await target.list(".d/e"), []);
    assert.equal(await target.list("file"), undefined);
    assert.equal(await target.list("gone"), undefined);
  }));

test("realPath, isMountPoint", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    mkdirSync(`${dir}/real`);
    writeFileSync(`${dir}/real/a b\n`, "");
    symlinkSync("real", `${dir}/way`);
    symlinkSync("gone", `${dir}/dangling`);
    symlinkSync("circle", `${dir}/circle`);
    symlinkSync("/proc", `${dir}/proc`);
    assert.equal(await target.realPath("way/../way/a b\n"), `${dir}/real/a b\n`);
    assert.equal(await target.realPath("/"), "/");
    for (const name of ["dangling", "circle", "gone", "real/a b\n/below"])
      assert.equal(await target.realPath(name), undefined, name);
    for (const name of ["/", "/proc", "/proc/", "proc"])
      assert.equal(await target.isMountPoint(name), true, name);
    for (const name of ["real", "way", "gone", "/proc/self"])
      assert.equal(await target.isMountPoint(name), false, name);
    await target.remove("proc");
  }));

test("reading", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    writeFileSync(`${dir}/text`, "é\r\nb\n\nlast");
    writeFileSync(`${dir}/bytes`, Buffer.from([0, 10, 255, 10]));
    assert.deepEqual(await target.readLines("text"), ["é", "b", "", "last"]);
    assert.deepEqual(await target.readLines("gone"), []);
    assert.equal(await target.readFile("text"), "é\r\nb\n\nlast");
    assert.deepEqual(await target.readBytes("bytes"), Buffer.from([0, 10, 255, 10]));
    assert.equal(await target.readBytes("gone"), undefined);
    assert.ok((await target.readFile("/proc/self/status")).includes("Name:"));
    assert.equal(
      await failure(target.readFile("gone")),
      "FailedChange: cannot read gone: no such file or directory",
    );
    assert.equal(await failure(target.readBytes(dir)), `FailedChange: cannot read ${dir}: it is a directory`);
    assert.equal(
      await failure(target.readBytes("/dev/zero")),
      "FailedChange: cannot read /dev/zero: it is not a regular file",
    );
  }));

test("writeFile", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    const content = Buffer.from([0, 255, 13, 10, 39]);
    await target.writeFile("new", content);
    await target.writeFile('it\'s a "$name"', "x", { mode: 0o4711 });
    assert.deepEqual(readFileSync(`${dir}/new`), content);
    chmodSync(`${dir}/new`, 0o640);
    await target.writeFile("new", "kept mode");
    assert.equal(lstatSync(`${dir}/new`).mode & 0o7777, 0o640);
    symlinkSync("new", `${dir}/link`);
    await target.writeFile("link", "through the link");
    assert.equal(readFileSync(`${dir}/new`, "utf8"), "through the link");
    assert.equal(readlinkSync(`${dir}/link`), "new");
    mkdirSync(`${dir}/sub`);
    symlinkSync("sub/made", `${dir}/dangling`);
    await target.writeFile("dangling", "made");
    assert.equal(readFileSync(`${dir}/sub/made`, "utf8"), "made");
    assert.equal(
      await failure(target.writeFile("sub", "")),
      "FailedChange: cannot write sub: it is a directory",
    );
    assert.equal(
      await failure(target.writeFile("no/such/place", "")),
      "FailedChange: cannot write no/such/place: no such file or directory",
    );
    assert.deepEqual(readdirSync(dir).sort(), ["dangling", 'it\'s a "$name"', "link", "new", "sub"]);
  }));

test("a temporary file that a killed writer left is removed by a later write; one that is being written, and others, stay", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    const left = `.it's a [f]*.${"0".repeat(17)}a`;
    const others = [
      `.it's a [f]*.${"0".repeat(17)}`,
      `.it's a [f]*.${"0".repeat(17)}g`,
      `.other.${"0".repeat(18)}`,
    ];
    const written = `.it's a [f]*.${"0".repeat(17)}b`;
    const longAgo = Date.now() / 1000 - 3600;
    for (const name of [left, written, ...others]) {
      writeFileSync(`${dir}/${name}`, "half");
      if (name !== written) utimesSync(`${dir}/${name}`, longAgo, longAgo);
    }
    await target.writeFile("it's a [f]*", "whole");
    assert.deepEqual(readdirSync(dir).sort(), [written, ...others, "it's a [f]*"].sort());
    for (const name of readdirSync(dir)) await target.remove(name);
  }));

test("ensureContent, editLines", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    assert.equal(await target.ensureContent("a/b/c", "x\n", { mode: 0o600 }), "changed");
    assert.equal(await target.ensureContent("a/b/c", "x\n"), "unchanged");
    assert.equal(await target.ensureContent("a/b/c", "x\n", { mode: 0o644 }), "changed");
    assert.equal(await target.ensureContent("a/b/c", "y\n"), "changed");
    writeFileSync(`${dir}/mixed`, Buffer.from("one\r\ntw\xff\r\nthree\nfour", "latin1"));
    const dropFirst = (lines: readonly string[]) => [...lines.slice(1), "neu é"];
    assert.equal(await target.editLines("mixed", dropFirst), "changed");
    assert.equal(
      readFileSync(`${dir}/mixed`).toString("latin1"),
      "tw\xff\r\nthree\nfour\r\nneu \xc3\xa9\r\n",
    );
    assert.equal(await target.editLines("mixed", (lines) => [...lines]), "unchanged");
    assert.equal(await target.editLines("x/absent", () => []), "unchanged");
    assert.equal(existsSync(`${dir}/x`), false);
  }));

test("directories, links, removal, renaming", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    const umask = process.umask(0o077);
    try {
      assert.equal(await target.makeDirectory("a/b/c", { mode: 0o2750 }), "changed");
    } finally {
      process.umask(umask);
    }
    assert.equal(await target.makeDirectory("a/b/c/", { mode: 0o700 }), "unchanged");
    writeFileSync(`${dir}/file`, "");
    assert.equal(
      await failure(target.makeDirectory("file")),
      "FailedChange: cannot make the directory file: there is something else of that name",
    );
    assert.equal(await target.symlink("link", "a/b"), "changed");
    assert.equal(await target.symlink("link", "a/b"), "unchanged");
    assert.equal(await target.symlink("link", "a/b/c"), "changed");
    assert.equal(readlinkSync(`${dir}/link`), "a/b/c");
    assert.deepEqual(readdirSync(`${dir}/a/b`), ["c"]);
    assert.equal(
      await failure(target.symlink("file", "a")),
      "FailedChange: cannot make the link file: there is something of that name that is not a link",
    );
    assert.equal(await failure(target.remove("a")), "FailedChange: cannot remove a: it is a directory");
    assert.equal(await target.remove("link/"), "changed");
    assert.equal(await target.remove("link"), "unchanged");
    await target.rename("file", "moved");
    await target.rename("a", "z");
    assert.equal(
      await failure(target.rename("gone", "x")),
      "FailedChange: cannot rename gone to x: no such file or directory",
    );
    assert.equal(await target.remove("z", { recursive: true }), "changed");
    assert.equal(
      await failure(target.remove("//", { recursive: true })),
      "FailedChange: cannot remove //: that is everything there is",
    );
    assert.deepEqual(readdirSync(dir), ["moved"]);
  }));

test("temporary files", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    const seen = await target.withTemporaryFile(
      async (file) => {
        assert.match(file, /^\/.*\/consfigurator\.[0-9a-f]{18}$/);
        assert.equal(path.dirname(file), process.env["TMPDIR"] ?? "/tmp");
        assert.equal(lstatSync(file).mode & 0o7777, 0o600);
        await target.run(["cp", file, "copy"]);
        return file;
      },
      { content: "secret\n" },
    );
    assert.equal(readFileSync(`${dir}/copy`, "utf8"), "secret\n");
    assert.equal(existsSync(seen), false);
    assert.equal(
      await target.withTemporaryFile((file) => target.rename(file, "copy").then(() => path.dirname(file)), {
        directory: ".",
      }),
      `${dir}/.`,
    );
    assert.equal(readFileSync(`${dir}/copy`, "utf8"), "");
    assert.match(
      await failure(target.withTemporaryFile(async () => {}, { directory: "gone" })),
      /^FailedChange: cannot make the temporary file .*\/gone\/consfigurator\.[0-9a-f]{18}: no such file or directory$/,
    );
    assert.deepEqual(readdirSync(dir), ["copy"]);
  }));

test("temporary directories", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    await target.withTemporaryDirectory(
      async (made) => {
        assert.equal(lstatSync(made).mode & 0o7777, 0o700);
        await target.ensureContent(`${made}/deep/inside`, "x");
        assert.deepEqual(readdirSync(dir), [path.basename(made)]);
      },
      { directory: dir },
    );
    assert.deepEqual(readdirSync(dir), []);
    const failed = target.withTemporaryDirectory((made) => target.readFile(`${made}/gone`), {
      directory: dir,
    });
    assert.match(await failure(failed), /gone: no such file or directory$/);
    assert.deepEqual(readdirSync(dir), []);
  }));

test("what is temporary is removed when the deployment is cancelled", async (t) => {
  for (const kind of ["agent", "posix"] as const) {
    await t.test(kind, async () => {
      const controller = new AbortController();
      const target = targetOf(kind, { signal: controller.signal });
      let made = "";
      const used = target.withTemporaryDirectory(async (directory) => {
        made = directory;
        await target.writeFile(`${directory}/file`, "x");
        controller.abort();
        await target.run("true");
      });
      await assert.rejects(used, new Cancelled("cancelled: `true` was not started"));
      assert.notEqual(made, "");
      assert.equal(existsSync(made), false);
      await assert.rejects(
        target.withTemporaryFile(async () => {}),
        Cancelled,
      );
    });
  }
});

test("directories that are emptied", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    mkdirSync(`${dir}/full/-rf/deep`, { recursive: true });
    writeFileSync(`${dir}/full/.hidden`, "");
    writeFileSync(`${dir}/full/a\nb *`, "");
    writeFileSync(`${dir}/kept`, "");
    symlinkSync("../kept", `${dir}/full/link`);
    symlinkSync("full", `${dir}/way`);
    const { ino } = lstatSync(`${dir}/full`);
    assert.equal(await target.emptyDirectory("way"), "changed");
    assert.equal(await target.emptyDirectory("full"), "unchanged");
    assert.deepEqual(readdirSync(`${dir}/full`), []);
    assert.equal(lstatSync(`${dir}/full`).ino, ino);
    assert.deepEqual(readdirSync(dir).sort(), ["full", "kept", "way"]);
    for (const name of ["kept", "gone"])
      assert.equal(
        await failure(target.emptyDirectory(name)),
        `FailedChange: cannot empty ${name}: it is not a directory`,
      );
  }));

test("modes and owners", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    writeFileSync(`${dir}/file`, "");
    mkdirSync(`${dir}/dir`);
    chmodSync(`${dir}/dir`, 0o2755);
    assert.equal(await target.setMode("file", 0o4710), "changed");
    assert.equal(await target.setMode("file", 0o4710), "unchanged");
    assert.equal(await target.setMode("dir", 0o750), "changed");
    assert.equal(lstatSync(`${dir}/dir`).mode & 0o7777, 0o750);
    assert.equal(
      await failure(target.setMode("gone", 0o600)),
      "FailedChange: cannot set the mode of gone: no such file or directory",
    );
    assert.equal(
      await failure(target.setOwner("file", { user: "nobody-at-all" })),
      "FailedChange: cannot set the owner of file: there is no user nobody-at-all on this host",
    );
    const me = await target.identity();
    assert.equal(await target.setOwner("file", { user: me.user, group: String(me.gid) }), "unchanged");
    if (me.uid !== 0) return;
    symlinkSync("file", `${dir}/link`);
    assert.equal(await target.setOwner("link", { user: "daemon", group: "4242" }), "changed");
    assert.equal(lstatSync(`${dir}/link`).gid, 4242);
    assert.equal(lstatSync(`${dir}/file`).gid, me.gid);
  }));

test("accounts", (t) =>
  onBothTargets(t, async ({ target, dir }) => {
    const { uid, gid, username } = userInfo();
    assert.deepEqual(await target.identity(), { uid, gid, user: username, home: dir });
    assert.deepEqual(await target.user("root"), {
      name: "root",
      uid: 0,
      gid: 0,
      gecos: "root",
      home: "/root",
      shell: "/bin/bash",
    });
    assert.equal((await target.user(0))?.name, "root");
    assert.equal(await target.user("0"), undefined);
    assert.equal(await target.user("nobody-at-all"), undefined);
    assert.equal((await target.group("daemon"))?.gid, 1);
    assert.equal((await target.group(1))?.name, "daemon");
    assert.equal(await target.group("nobody-at-all"), undefined);
    assert.equal((await target.groupsOf("daemon"))[0], "daemon");
    assert.equal(
      await failure(target.groupsOf("nobody-at-all")),
      "FailedChange: there is no user nobody-at-all on this host",
    );
  }));

test("who wants to know of commands is told of each: what people may see of it, how it ended, how long it took", async (t) => {
  for (const kind of ["agent", "posix"] as const) {
    await t.test(kind, async () => {
      const told: string[] = [];
      const cancel = new AbortController();
      const target = targetOf(kind, {
        signal: cancel.signal,
        ran: ({ command, exit, ms }) => {
          assert.ok(ms >= 0);
          told.push(`${command}: ${exit}`);
        },
      });
      await target.run(["echo", "a b"], { cwd: "/", env: { TOKEN: "hush" }, input: "hush" });
      await target.succeeds("exit 4");
      await failure(target.run("exit 5"));
      await target.run("echo hush", { secret: true });
      await target.run(`: ${"x".repeat(2000)}`);
      const sleeping = failure(target.run("sleep 60"));
      cancel.abort();
      await sleeping;
      await failure(target.run("echo never"));
      assert.deepEqual(told, [
        "echo 'a b': 0",
        "exit 4: 4",
        "exit 5: 5",
        "a command that is secret: 0",
        `: ${"x".repeat(998)}…: 0`,
        "sleep 60: undefined",
      ]);
    });
  }
});

test("over a shell, what is done with files is a command; in the agent only what starts a process", async (t) => {
  const told: Record<string, string[]> = { agent: [], posix: [] };
  await onBothTargets(t, async ({ kind, dir }) => {
    const target = targetOf(kind, { ran: ({ command, exit }) => told[kind]?.push(`${command}: ${exit}`) });
    const file = path.join(dir, "file");
    await Promise.all([target.stat("/"), target.hasCommand("sh"), target.stat("/")]);
    await target.writeFile(file, "hush");
    await target.writeFile(file, "hush hush");
    await target.readFile(file);
    const said = told[kind]?.map((line) => line.replaceAll(dir, "DIR").replace(/\.file\.\w+/, "TEMPORARY"));
    assert.deepEqual(
      said,
      kind === "posix"
        ? [
            "look at /, look for the command sh: 0",
            "write DIR/file: 0",
            "write DIR/file: 0",
            "read DIR/file: 0",
          ]
        : [
            "cp --attributes-only --preserve=all --no-preserve=timestamps,links -- /proc/self/fd/3 /proc/self/fd/4: 0",
          ],
    );
  });
});

test("a temporary file is no change of the host, nor is what is in a temporary directory", (t) =>
  onBothTargets(t, async ({ kind, dir }) => {
    const changes: HostChange[] = [];
    const target = targetOf(kind, { changed: (change) => void changes.push(change) });
    await target.withTemporaryDirectory((place) => target.writeFile(`${place}/draft`, "x"), {
      directory: dir,
    });
    await target.withTemporaryFile((place) => target.setMode(place, 0o640), { directory: dir });
    assert.equal(changes.length, 0);
    await target.writeFile(`${dir}/kept`, "x");
    assert.deepEqual(
      changes.map((change) => change.kind === "file" && change.path),
      [`${dir}/kept`],
    );
  }));
