import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { EngineFiles } from "../../../lib/source/_restart";

test("a change of an engine file is reported once for each new content", (t) => {
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), "restart-test-")));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const [loaded, other] = [path.join(root, "loaded.js"), path.join(root, "other.js")];
  writeFileSync(loaded, "exports.a = 1;\n");
  writeFileSync(other, "exports.a = 1;\n");
  require(loaded);
  const engine = new EngineFiles(root);
  assert.deepEqual(engine.notices(), [], "nothing recorded yet");
  engine.remember();
  const later = new Date(Date.now() + 5000);
  utimesSync(loaded, later, later);
  writeFileSync(other, "exports.a = 2;\n");
  assert.deepEqual(engine.notices(), [], "touched but equal; never loaded");

  writeFileSync(loaded, "exports.a = 2;\n");
  const notice = `the engine changed; restart to use the new version: ${path.basename(root)}/loaded.js`;
  assert.deepEqual([engine.notices(), engine.notices()], [[notice], []]);
  writeFileSync(loaded, "exports.a = 1;\n");
  assert.deepEqual(engine.notices(), [], "the loaded content again");
  rmSync(loaded);
  assert.deepEqual(engine.notices(), [notice]);

  const files = ["a", "b", "c", "d", "e"].map((name) => path.join(root, `${name}.js`));
  for (const file of files) {
    writeFileSync(file, "exports.a = 1;\n");
    require(file);
  }
  engine.remember();
  for (const file of files) writeFileSync(file, "exports.a = 2;\n");
  const names = files.slice(0, 3).map((file) => `${path.basename(root)}/${path.basename(file)}`);
  assert.deepEqual(engine.notices(), [
    `the engine changed; restart to use the new version: ${names.join(", ")} and 2 more`,
  ]);
});
