import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { AgentDirectory } from "../../../../lib/agent/host/directory";
import { ConsfigError } from "../../../../lib/model/errors";

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "directory-"));
});
after(() => rmSync(dir, { recursive: true, force: true }));

test("all directories are created, private to the user", () => {
  const agent = new AgentDirectory(path.join(dir, "deep", "agent"));
  for (const directory of [agent.root, agent.blobs, agent.trees, agent.run, agent.journals]) {
    const { mode } = statSync(directory);
    assert.equal((mode & 0o7777).toString(8), "700", directory);
  }
  assert.doesNotThrow(() => new AgentDirectory(agent.root), "they may exist already");
});

test("a directory that other users can access is refused by name", () => {
  const root = path.join(dir, "open");
  mkdirSync(root);
  chmodSync(root, 0o755);
  const uid = process.getuid?.();
  assert.throws(
    () => new AgentDirectory(root),
    new ConsfigError(
      `${root} must belong to user ${uid} and have mode 0700; it belongs to user ${uid} and has mode 0755`,
    ),
  );
});

test("the default is in the user's cache directory", (t) => {
  const before = process.env["XDG_CACHE_HOME"];
  t.after(() => {
    if (before === undefined) delete process.env["XDG_CACHE_HOME"];
    else process.env["XDG_CACHE_HOME"] = before;
  });
  process.env["XDG_CACHE_HOME"] = path.join(dir, "cache");
  assert.equal(new AgentDirectory().root, path.join(dir, "cache", "consfigurator", "agent"));
});

test("worker sockets are listed without the supervisor's, by relative names", (t) => {
  const cwd = process.cwd();
  t.after(() => process.chdir(cwd));
  const agent = new AgentDirectory(path.join(dir, "a-home-directory-with-a-name".repeat(5), "agent"));
  agent.enterRun();
  assert.equal(process.cwd(), agent.run);
  for (const name of ["supervisor", "worker-1", "worker-2", "lock"]) writeFileSync(name, "");
  assert.deepEqual(agent.workerSockets().sort(), ["worker-1", "worker-2"]);
});
