import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { LoadedOnce } from "../../../lib/source/_restart";

test("a change in what is loaded once is said, once for each content", (t) => {
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), "restart-test-")));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const [loaded, other] = [path.join(root, "loaded.js"), path.join(root, "other.js")];
  writeFileSync(loaded, "exports.a = 1;\n");
  writeFileSync(other, "exports.a = 1;\n");
  require(loaded);
  const once = new LoadedOnce(root);
  assert.deepEqual(once.notices(), [], "nothing is known yet");
  once.remember();
  const later = new Date(Date.now() + 5000);
  utimesSync(loaded, later, later);
  writeFileSync(other, "exports.a = 2;\n");
  assert.deepEqual(once.notices(), [], "touched but equal; never loaded");

  writeFileSync(loaded, "exports.a = 2;\n");
  const said = `changed in the engine, which takes effect after a restart: ${path.basename(root)}/loaded.js`;
  assert.deepEqual([once.notices(), once.notices()], [[said], []]);
  writeFileSync(loaded, "exports.a = 1;\n");
  assert.deepEqual(once.notices(), [], "back to what is loaded");
  rmSync(loaded);
  assert.deepEqual(once.notices(), [said]);
});
