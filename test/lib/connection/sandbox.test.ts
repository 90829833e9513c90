import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { discardSandbox, keepSandbox, sandboxChanges, whyNoClone } from "../../../lib/connection/sandbox";
import type { Connection } from "../../../lib/model/connection";
import { ConsfigError } from "../../../lib/model/errors";
import { until } from "../../support/until";
import { openSandbox } from "./_sandbox";

const root = path.resolve(__dirname, "../../..");
/** With `CI=true` nothing is skipped: the first test fails with the reason. */
const needsClone = { skip: process.env["CI"] === "true" ? false : (whyNoClone() ?? false) };
const named = (name: string) => `test-${process.pid}-${name}`;

/** Runs `command`, which must succeed, and returns its output. */
async function run(connection: Connection, command: string): Promise<string> {
  const channel = await connection.exec(command);
  channel.stdin.end();
  const [exit, stdout, stderr] = await Promise.all([
    channel.exit,
    text(channel.stdout),
    text(channel.stderr),
  ]);
  assert.equal(exit, 0, stderr);
  return stdout;
}

/** The differences of the sandbox `name`, in words. */
const changesOf = async (name: string) =>
  (await sandboxChanges(name)).changes.map(({ path, before, after }) => ({
    path,
    change: before ? (after ? "changed" : "deleted") : "added",
  }));

/** Starts another process that opens a sandbox, does `work` in it and prints "ready". */
async function owner(
  name: string,
  work: string,
  options: object = {},
): Promise<{ child: ChildProcess; notices: string[] }> {
  const script = `
    const sandbox = require(${JSON.stringify(path.join(root, "lib/connection/sandbox"))});
    const { hops } = require(${JSON.stringify(path.join(root, "lib/model/hop"))});
    const notices = [];
    const context = { progress: (event) => notices.push(event.text) };
    hops.get("sandbox").open({ name: ${JSON.stringify(name)} }, context).then(async (connection) => {
      ${work}
      process.stdout.write("ready " + JSON.stringify(notices) + "\\n");
    });
    setInterval(() => {}, 1000);`;
  const child = spawn(
    process.execPath,
    ["--require", path.join(root, "lib/source/register.js"), "-e", script],
    {
      stdio: ["ignore", "pipe", "inherit"],
      ...options,
    },
  );
  let output = "";
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    output += chunk;
    if (output.endsWith("\n")) break;
  }
  const [, notices] = /^ready (.*)\n$/.exec(output) ?? assert.fail(`unexpected output: ${output}`);
  return { child, notices: JSON.parse(notices ?? "") as string[] };
}

/** The processes of this machine with `word` on their command line. */
const processesWith = (word: string): string[] =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(word);
    } catch {
      return false;
    }
  });

describe("a clone of this machine", needsClone, () => {
  const name = named("clone");
  const watched = ["/etc/passwd", "/etc/debian_version", "/etc", "/root", "/usr/sbin"];
  const state = () =>
    watched.map((file) => {
      const { mtimeMs, mode, ino } = statSync(file);
      return `${file} ${mtimeMs} ${mode} ${ino}`;
    });
  let connection: Connection;
  let earlier: { files: string[]; mounts: string };
  before(async () => {
    earlier = { files: state(), mounts: readFileSync("/proc/self/mounts", "utf8") };
    connection = await openSandbox(name);
  });
  after(() => discardSandbox(name).catch(() => {}));

  test("has the files of this machine and root's environment", async () => {
    assert.equal(await run(connection, "cat /etc/passwd"), readFileSync("/etc/passwd", "utf8"));
    assert.equal(await run(connection, 'echo "$(id -u) $HOME $(pwd) $LANG"'), "0 /root /root C.UTF-8\n");
    assert.deepEqual(
      [connection.description, connection.local, connection.alive],
      ["via.sandbox()", true, true],
    );
  });

  test("has its own processes, temporary files and devices", async () => {
    assert.equal(
      await run(connection, `test -d /proc/${process.pid} && echo seen || echo unseen`),
      "unseen\n",
    );
    assert.equal(await run(connection, "cat /proc/1/comm"), "sh\n");
    assert.equal(await run(connection, "ls -A /tmp"), "");
    assert.equal(
      await run(connection, "echo x >/dev/null; head -c 3 /dev/zero | wc -c; true | cat /dev/stdin"),
      "3\n",
    );
  });

  test("keeps its changes to itself: diff lists exactly those, and this machine is untouched", async () => {
    await run(
      connection,
      `echo new >/etc/new-file; mkdir -p /srv/empty /srv/deep/er; echo x >/srv/deep/er/file
       echo 'toy:x:999:999::/:' >>/etc/passwd
       rm /etc/debian_version; chmod 600 /etc/issue; ln -s nowhere /root/link; mkdir -p /root/.cache/consfigurator/agent`,
    );
    assert.deepEqual(await changesOf(name), [
      { path: "/etc/debian_version", change: "deleted" },
      { path: "/etc/issue", change: "changed" },
      { path: "/etc/new-file", change: "added" },
      { path: "/etc/passwd", change: "changed" },
      { path: "/root/link", change: "added" },
      { path: "/srv/deep", change: "added" },
      { path: "/srv/deep/er", change: "added" },
      { path: "/srv/deep/er/file", change: "added" },
      { path: "/srv/empty", change: "added" },
    ]);
    assert.deepEqual(state(), earlier.files);
    assert.equal(readFileSync("/proc/self/mounts", "utf8"), earlier.mounts);
    assert.equal(existsSync("/etc/new-file"), false);
  });

  test("is reused by name with its changes; another name is another clone", async () => {
    await connection.close();
    assert.equal(await run(await openSandbox(name), "cat /etc/new-file"), "new\n");
    const other = named("other");
    try {
      const second = await openSandbox(other);
      assert.equal(await run(second, "test -e /etc/new-file || echo none"), "none\n");
      assert.deepEqual(await changesOf(other), []);
    } finally {
      await discardSandbox(other);
    }
  });

  test("when discarded, its name can be used at once, before its process has ended", async () => {
    const next = named("next");
    await openSandbox(next);
    for (let each = 0; each < 3; each += 1) {
      await discardSandbox(next);
      await run(await openSandbox(next), "sleep 0.2");
      assert.deepEqual(await changesOf(next), []);
    }
    await discardSandbox(next);
  });

  test("when discarded, everything in it is killed, and its name can be reused", async () => {
    const word = `${4000 + process.pid}.5`;
    connection = await openSandbox(name);
    const channel = await connection.exec(`exec sleep ${word}`);
    await until("it is running", () => processesWith(word).length > 0);
    await discardSandbox(name);
    await channel.exit;
    await until("the connection is not alive", () => !connection.alive);
    assert.deepEqual(processesWith(word), []);
    await assert.rejects(
      changesOf(name),
      new ConsfigError(`there is no sandbox "${name}"; deploy to it first: deploy(sandbox)`),
    );
    assert.equal(await run(await openSandbox(name), "test -e /etc/new-file || echo none"), "none\n");
  });
});

describe("a clone and the process that created it", needsClone, () => {
  test("the clone ends when the process is killed", async () => {
    const word = `${5000 + process.pid}.5`;
    const { child } = await owner(named("orphan"), `await connection.exec("exec sleep ${word}");`);
    await until("it is running", () => processesWith(word).length > 0);
    child.kill("SIGKILL");
    await once(child, "close");
    await until("nothing in it is running", () => processesWith(word).length === 0);
  });

  test("a kept clone survives the process, is found by name, and can be discarded", async (t) => {
    const name = named("kept");
    t.after(() => discardSandbox(name).catch(() => {}));
    const { child } = await owner(
      name,
      `const channel = await connection.exec("echo kept >/etc/kept"); channel.stdin.end(); await channel.exit;
       await sandbox.keepSandbox(${JSON.stringify(name)});`,
    );
    child.kill("SIGKILL");
    await once(child, "close");
    const connection = await openSandbox(name);
    assert.equal(await run(connection, "cat /etc/kept"), "kept\n");
    assert.deepEqual(await changesOf(name), [{ path: "/etc/kept", change: "added" }]);
    assert.equal(existsSync("/etc/kept"), false);
    await keepSandbox(name); // already kept
    await discardSandbox(name);
    await until("it is gone", () => !connection.alive);
    assert.equal(existsSync(`/run/consfigurator/sandbox-${name}.json`), false);
  });

  test("a missing sandbox cannot be kept or discarded, and the message gives the remedy", async () => {
    const missing = new ConsfigError('there is no sandbox "missing"; deploy to it first: deploy(sandbox)');
    await assert.rejects(keepSandbox("missing"), missing);
    await assert.rejects(discardSandbox("missing"), missing);
  });
});

const needsRoot = {
  skip: process.getuid?.() === 0 ? false : "needs root to become an ordinary user",
};

test("without a clone, a scratch home directory is used, with a notice", needsRoot, async (t) => {
  const [uid, gid] = [65534, 65534];
  const name = named("home");
  const temporary = mkdtempSync(path.join(tmpdir(), "sandbox-"));
  chownSync(temporary, uid, gid);
  t.after(() => rmSync(temporary, { recursive: true, force: true }));
  const { child, notices } = await owner(
    name,
    `const channel = await connection.exec('pwd; echo $HOME; echo cache $XDG_CACHE_HOME; echo here >file');
     channel.stdin.end();
     for await (const chunk of channel.stdout) notices.push(...String(chunk).split("\\n"));
     await channel.exit;`,
    { uid, gid, env: { ...process.env, HOME: temporary, TMPDIR: temporary, XDG_CACHE_HOME: temporary } },
  );
  child.kill("SIGKILL");
  await once(child, "close");
  const home = path.join(temporary, `consfigurator-${uid}-${name}`);
  assert.deepEqual(notices.filter(Boolean), [
    `cannot clone this machine (needs root); using the scratch home directory ${home}`,
    home,
    home,
    "cache",
  ]);
  assert.equal(readFileSync(path.join(home, "file"), "utf8"), "here\n");
  assert.equal(statSync(home).mode & 0o777, 0o700);
});
