import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { AgentDirectory } from "../../../../lib/agent/host/directory";
import { ConsfigError } from "../../../../lib/model/errors";

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "place-"));
});
after(() => rmSync(dir, { recursive: true, force: true }));

test("all directories are there, closed to others", () => {
  const place = new AgentDirectory(path.join(dir, "deep", "agent"));
  for (const directory of [place.root, place.blobs, place.trees, place.run, place.journals]) {
    const { mode } = statSync(directory);
    assert.equal((mode & 0o7777).toString(8), "700", directory);
  }
  assert.doesNotThrow(() => new AgentDirectory(place.root), "and may be there already");
});

test("a directory that others may enter is refused, and named", () => {
  const root = path.join(dir, "open");
  mkdirSync(root);
  chmodSync(root, 0o755);
  const uid = process.getuid?.();
  assert.throws(
    () => new AgentDirectory(root),
    new ConsfigError(
      `${root} must belong to user ${uid} with mode 0700, and is of user ${uid} with mode 0755`,
    ),
  );
});

test("unless told otherwise it is in the user's cache", (t) => {
  const before = process.env["XDG_CACHE_HOME"];
  t.after(() => {
    if (before === undefined) delete process.env["XDG_CACHE_HOME"];
    else process.env["XDG_CACHE_HOME"] = before;
  });
  process.env["XDG_CACHE_HOME"] = path.join(dir, "cache");
  assert.equal(new AgentDirectory().root, path.join(dir, "cache", "consfigurator", "agent"));
});

test("the sockets of workers are told from that of the supervisor, and named relative to where they are", (t) => {
  const cwd = process.cwd();
  t.after(() => process.chdir(cwd));
  const place = new AgentDirectory(path.join(dir, "a-home-directory-with-a-name".repeat(5), "agent"));
  place.enterRun();
  assert.equal(process.cwd(), place.run);
  for (const name of ["supervisor", "worker-1", "worker-2", "lock"]) writeFileSync(name, "");
  assert.deepEqual(place.workerSockets().sort(), ["worker-1", "worker-2"]);
});
