import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { AgentDirectory } from "../../../../lib/agent/host/directory";
import { Store } from "../../../../lib/agent/host/store";
import type { TreeChange } from "../../../../lib/agent/shared/messages";
import { ConsfigError } from "../../../../lib/model/errors";

const dir = mkdtempSync(path.join(tmpdir(), "store-"));
let directory: AgentDirectory;
let store: Store;
let count = 0;
beforeEach(() => {
  count += 1;
  directory = new AgentDirectory(path.join(dir, String(count)));
  store = new Store(directory);
});
after(() => rmSync(dir, { recursive: true, force: true }));

const hashOf = (content: string) => createHash("sha256").update(content).digest("hex");
const filesOf = (files: Record<string, string>) =>
  Object.entries(files).map(([name, content]) => ({ path: name, hash: hashOf(content) }));
const blobsOf = (...contents: string[]) =>
  Object.fromEntries(contents.map((content) => [hashOf(content), Buffer.from(content)]));

/** A complete tree, with all file contents. */
const whole = (tree: string, files: Record<string, string>): TreeChange => ({
  tree,
  files: filesOf(files),
  removed: [],
  entries: Object.keys(files).slice(0, 1),
  blobs: blobsOf(...Object.values(files)),
});

/** The files of a tree on disk. */
function contentsOf(tree: string): Record<string, string> {
  const root = directory.tree(tree);
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (name) => name !== "tree.json" && statSync(path.join(root, name)).isFile(),
  );
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(path.join(root, name), "utf8")]));
}

describe("a tree sent in full", () => {
  test("is on disk, with its entry files", () => {
    const files = { "consfig/a.js": "a", "node_modules/x/b.js": "b" };
    assert.equal(store.has("t1"), false);
    assert.equal(store.add(whole("t1", files)), true);
    assert.equal(store.has("t1"), true);
    assert.deepEqual(store.trees(), ["t1"]);
    assert.deepEqual(contentsOf("t1"), files);
    const { entries } = JSON.parse(readFileSync(path.join(directory.tree("t1"), "tree.json"), "utf8"));
    assert.deepEqual(entries, ["consfig/a.js"]);
  });

  test("sent again is left alone", () => {
    store.add(whole("t1", { "a.js": "a" }));
    const { ino } = statSync(directory.tree("t1"));
    assert.equal(store.add(whole("t1", { "a.js": "a" })), true);
    assert.equal(statSync(directory.tree("t1")).ino, ino);
  });

  test("can be read by workers of other users through a bind mount, but not written", () => {
    store.add(whole("t1", { "deep/a.js": "a" }));
    for (const name of ["", "deep", "deep/a.js", "tree.json"]) {
      assert.equal(statSync(path.join(directory.tree("t1"), name)).mode & 0o066, 0o044, name);
    }
    assert.equal(statSync(directory.root).mode & 0o777, 0o700);
  });

  test("cannot write files outside its directory", () => {
    store.add(whole("t1", { "../../outside.js": "a" }));
    assert.deepEqual(contentsOf("t1"), { "outside.js": "a" });
  });
});

describe("a tree sent as a difference", () => {
  const base = { "a.js": "a", "b.js": "b", "c.js": "c" };
  const change: TreeChange = {
    tree: "t2",
    base: "t1",
    files: filesOf({ "b.js": "new b", "d.js": "a" }),
    removed: ["c.js"],
    entries: ["d.js"],
    blobs: blobsOf("new b"),
  };

  test("has the files of its base, except changed and removed ones", () => {
    store.add(whole("t1", base));
    assert.equal(store.add(change), true);
    assert.deepEqual(contentsOf("t2"), { "a.js": "a", "b.js": "new b", "d.js": "a" });
    assert.deepEqual(contentsOf("t1"), base, "the base is unchanged");
  });

  test("without its base it must be sent in full", () => {
    assert.equal(store.add(change), false);
    assert.equal(store.has("t2"), false);
  });

  test("and without one of its file contents", () => {
    store.add(whole("t1", base));
    assert.equal(store.add({ ...change, blobs: {} }), false);
    assert.equal(store.has("t2"), false);
    assert.equal(store.add(change), true);
  });
});

describe("corrupt data", () => {
  test("is refused and not stored", () => {
    const hash = hashOf("a");
    const broken: TreeChange = { ...whole("t1", { "a.js": "a" }), blobs: { [hash]: Buffer.from("other") } };
    assert.throws(
      () => store.add(broken),
      new ConsfigError(`a source file was corrupted in transit: its content does not match ${hash}`),
    );
    assert.equal(store.has("t1"), false);
    assert.deepEqual(readdirSync(directory.blobs), []);
    assert.equal(store.add(whole("t1", { "a.js": "a" })), true);
  });

  test("leftovers of a killed relay are not mistaken for a tree, and do no harm", () => {
    const half = `${directory.tree("t1")}.${process.pid}`;
    writeFileSync(path.join(directory.blobs, `${hashOf("a")}.${process.pid}`), "hal");
    mkdirSync(half);
    writeFileSync(path.join(half, "tree.json"), "{");
    assert.equal(store.has("t1"), false);
    assert.deepEqual(store.trees(), []);
    assert.equal(store.add(whole("t1", { "a.js": "a" })), true);
    assert.deepEqual(contentsOf("t1"), { "a.js": "a" });
  });
});

describe("discard", () => {
  test("removes a tree and its corrupt file contents; the others stay", () => {
    store.add(whole("t1", { "a.js": "a", "b.js": "b" }));
    writeFileSync(path.join(directory.tree("t1"), "a.js"), "corrupt");
    store.discard("t1");
    assert.equal(store.has("t1"), false);
    assert.equal(existsSync(path.join(directory.blobs, hashOf("a"))), false);
    assert.equal(existsSync(path.join(directory.blobs, hashOf("b"))), true);
    const again: TreeChange = { ...whole("t1", { "a.js": "a", "b.js": "b" }), blobs: {} };
    assert.equal(store.add(again), false, "the corrupt content must be sent again");
    assert.equal(store.add({ ...again, blobs: blobsOf("a") }), true);
    assert.deepEqual(contentsOf("t1"), { "a.js": "a", "b.js": "b" });
  });

  test("does nothing for an unknown tree", () => store.discard("t9"));
});

describe("old trees are removed", () => {
  test("the six most recently used are kept, with their file contents only", () => {
    for (let day = 1; day <= 6; day++) {
      store.add(whole(`t${day}`, { "a.js": "shared", "b.js": `of ${day}` }));
      utimesSync(directory.tree(`t${day}`), day, day);
    }
    assert.equal(store.trees().length, 6);
    store.add(whole("t7", { "a.js": "shared", "b.js": "of 7" }));
    assert.deepEqual(store.trees().sort(), ["t2", "t3", "t4", "t5", "t6", "t7"]);
    const kept = ["shared", "of 2", "of 3", "of 4", "of 5", "of 6", "of 7"].map(hashOf);
    assert.deepEqual(readdirSync(directory.blobs).sort(), kept.sort());
    assert.deepEqual(contentsOf("t7"), { "a.js": "shared", "b.js": "of 7" });
  });

  test("with a clock that was set back, the new tree stays", () => {
    const tomorrow = Date.now() / 1000 + 86400;
    for (let i = 1; i <= 6; i++) {
      store.add(whole(`t${i}`, { "a.js": `of ${i}` }));
      utimesSync(directory.tree(`t${i}`), tomorrow + i, tomorrow + i);
    }
    for (const tree of ["t7", "t8"]) {
      store.add(whole(tree, { "a.js": tree }));
      assert.deepEqual(contentsOf(tree), { "a.js": tree });
    }
    assert.deepEqual(store.trees().sort(), ["t3", "t4", "t5", "t6", "t7", "t8"]);
  });
});
