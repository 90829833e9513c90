import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { checkTypes } from "../../../lib/source/check";
import { openConsfig } from "../../../lib/source/consfig";
import { initConsfig } from "../../../lib/source/init";
import { root as engineRoot } from "../../../lib/util/package";

function directory(t: TestContext): string {
  const made = realpathSync(mkdtempSync(path.join(tmpdir(), "init-test-")));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test("a new consfig loads, type-checks here and in an editor, and can be sent to a host", async (t) => {
  const root = path.join(directory(t), "My Servers");
  assert.deepEqual(initConsfig(root), [
    "package.json",
    "tsconfig.json",
    "hosts/example.ts",
    "properties/motd.ts",
    "playbooks/example.repl",
    ".gitignore",
    "README.md",
  ]);
  const { name, dependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  assert.equal(name, "my-servers");
  assert.equal(path.resolve(root, dependencies.consfigurator.replace(/^file:/, "")), engineRoot);

  const consfig = openConsfig(root);
  t.after(() => consfig.close());
  const { error, notices } = consfig.refresh();
  assert.deepEqual([error, notices], [undefined, []]);
  assert.equal((consfig.scope()["example"] as { name: string }).name, "example");
  assert.deepEqual(consfig.manifest(["motd.says"]).entries, ["consfig/properties/motd.js"]);

  assert.deepEqual(await checkTypes(root), []);
  const tsc = path.join(engineRoot, "node_modules/typescript/bin/tsc");
  const listed = execFileSync(process.execPath, [tsc, "-p", root, "--listFilesOnly"], {
    encoding: "utf8",
  });
  assert.match(listed, /lib\/index\.ts/, "an editor finds this package through the link");
});

test("a directory that already has one of the files is not changed", (t) => {
  const root = directory(t);
  mkdirSync(path.join(root, "hosts"));
  writeFileSync(path.join(root, "hosts/example.ts"), "mine");
  writeFileSync(path.join(root, "notes.txt"), "mine");
  assert.throws(() => initConsfig(root), {
    name: "ConsfigError",
    message: `${root} already contains hosts/example.ts; nothing was written. Choose another directory, or move it away`,
  });
  assert.deepEqual(readdirSync(root).sort(), ["hosts", "notes.txt"]);
  rmSync(path.join(root, "hosts/example.ts"));
  initConsfig(root);
  assert.ok(existsSync(path.join(root, "notes.txt")), "other files do not matter");
});
