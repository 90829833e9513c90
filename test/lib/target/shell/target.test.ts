import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, test } from "node:test";
import { localConnection, spawned } from "../../../../lib/connection/local";
import type { Connection } from "../../../../lib/model/connection";
import { ConnectionFailed, FailedChange } from "../../../../lib/model/errors";
import { HostModel } from "../../../../lib/model/host";
import { ShellTarget } from "../../../../lib/target/shell/target";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "shell-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const over = (changes: Partial<Connection>): ShellTarget =>
  new ShellTarget(
    { ...localConnection(), ...changes },
    {
      host: HostModel.named("scratch.example.org"),
      signal: new AbortController().signal,
      output: () => {},
      atEnd: () => {},
      memory: new Map(),
    },
  );

test("questions put together are one command", async () => {
  const commands: string[] = [];
  const target = over({
    exec: (command) => {
      commands.push(command);
      return localConnection().exec(command);
    },
  });
  writeFileSync(`${dir}/f`, "\n\0\nbytes");
  const [stat, gone, bytes, user, is, list] = await Promise.all([
    target.stat(`${dir}/f`),
    target.lstat(`${dir}/gone`),
    target.readBytes(`${dir}/f`),
    target.user("root"),
    target.hasCommand("sh"),
    target.list(dir),
  ]);
  assert.equal(commands.length, 1);
  assert.deepEqual(
    [stat?.size, gone, bytes?.toString(), user?.uid, is, list],
    [8, undefined, "\n\0\nbytes", 0, true, ["f"]],
  );
});

test("a thousand questions are a few commands", async () => {
  let commands = 0;
  const target = over({
    exec: (command) => {
      commands += 1;
      return localConnection().exec(command);
    },
  });
  const found = await Promise.all(Array.from({ length: 1000 }, (_, at) => target.readLink(`${dir}/${at}`)));
  assert.deepEqual(new Set(found), new Set([undefined]));
  assert.ok(commands < 10, String(commands));
});

test("what a login says to everybody is no answer", async () => {
  const target = over({ exec: (command) => localConnection().exec(`echo "Welcome!"; ${command}`) });
  assert.equal((await target.stat(dir))?.type, "directory");
  assert.equal(await target.hasCommand("no-such-command"), false);
});

test("a lost link is a lost link, never an answer", async () => {
  const lost = new ConnectionFailed("via.ssh()", "the link was lost");
  const cut = over({
    exec: async () => {
      const channel = await localConnection().exec("exit 0");
      return { ...channel, exit: channel.exit.then(() => Promise.reject(lost)) };
    },
  });
  await assert.rejects(cut.succeeds("true"), lost);
  await assert.rejects(cut.stat(dir), lost);
  await assert.rejects(cut.writeFile(`${dir}/f`, "x"), lost);
  const shut = over({ exec: () => Promise.reject(lost) });
  await assert.rejects(Promise.all([shut.stat(dir), shut.run("true")]), lost);
});

test("half of a content is never put in place", async () => {
  writeFileSync(`${dir}/f`, "old");
  const target = over({
    exec: async (command) => {
      const channel = await localConnection().exec(command);
      const stdin = new PassThrough();
      stdin.once("data", (data: Buffer) => channel.stdin.end(data.subarray(0, 5)));
      return { ...channel, stdin };
    },
  });
  await assert.rejects(
    target.writeFile(`${dir}/f`, "0123456789"),
    new FailedChange(`cannot write ${dir}/f: the content did not arrive whole`),
  );
  assert.equal(readFileSync(`${dir}/f`, "utf8"), "old");
  assert.deepEqual(readdirSync(dir), ["f"]);
});

test("a shell that ends in the middle of the questions", async () => {
  const target = over({ exec: () => localConnection().exec("echo broken >&2; exit 3") });
  await assert.rejects(
    target.stat(dir),
    new FailedChange("the shell ended in the middle, with exit code 3: broken"),
  );
});

test("large contents, both ways", async () => {
  const content = Buffer.alloc(20_000_000, "0123456789abcde\n");
  const target = over({});
  await target.writeFile(`${dir}/large`, content);
  assert.ok((await target.readBytes(`${dir}/large`))?.equals(content));
  let received = 0;
  const counting = over({
    exec: async (command) => {
      const channel = await localConnection().exec(command);
      channel.stdout.on("data", (data: Buffer) => {
        received += data.length;
      });
      return channel;
    },
  });
  assert.equal(await counting.ensureContent(`${dir}/large`, content), "unchanged");
  assert.ok(received < 1000, `compared by digest, not fetched: ${received} bytes`);
  content[content.length - 1] = 0;
  assert.equal(await counting.ensureContent(`${dir}/large`, content), "changed");
});

test("bash as sh, and commands that are not there", async () => {
  const target = over({ exec: (command) => spawned("/bin/bash", ["--posix", "-c", command], "via.local()") });
  await target.writeFile(`${dir}/f`, "one");
  assert.equal(await target.ensureContent(`${dir}/sub/f`, "two", { mode: 0o600 }), "changed");
  await target.writeFile(`${dir}/f`, "three");
  assert.equal(await target.symlink(`${dir}/l`, "f"), "changed");
  assert.equal(await target.readFile(`${dir}/l`), "three");
  assert.deepEqual(await target.list(dir), ["f", "l", "sub"]);
  assert.equal((await target.run(["printf", "%s", "it's"])).stdout, "it's");
  await assert.rejects(
    target.writeFile(`${dir}/no/f`, ""),
    new FailedChange(`cannot write ${dir}/no/f: no such file or directory`),
  );
  const bare = over({
    exec: (command) => {
      const functions = ["sync", "cp", "getent", "sha256sum", "shasum", "sha256"]
        .map((name) => `${name}() { return 127; }; `)
        .join("");
      return spawned("/bin/bash", ["--posix", "-c", functions + command], "via.local()");
    },
  });
  assert.equal((await bare.user("root"))?.uid, 0);
  const content = Buffer.alloc(100_000, "x");
  await bare.writeFile(`${dir}/f`, content);
  assert.equal(await bare.ensureContent(`${dir}/f`, content), "unchanged");
  await bare.setMode(`${dir}/f`, 0o4710);
  await bare.writeFile(`${dir}/f`, "five");
  assert.equal((await bare.stat(`${dir}/f`))?.mode, 0o4710);
});
