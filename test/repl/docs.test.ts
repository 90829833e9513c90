import assert from "node:assert/strict";
import test from "node:test";
import "../../properties";
import { via } from "../../lib";
import { docOf, searchDocs } from "../../repl/docs";

const root = process.cwd();

test("a search finds names first, then what the documentation is about", () => {
  const named = searchDocs("sudo", root).slice(0, 3).sort();
  assert.deepEqual(named, ["localsudo", "sudo.allows", "via.sudo"]);
  const found = searchDocs("reload", root);
  assert.ok(found.indexOf("systemd.reloaded") >= 0 && found.length > 1, found.join());
  assert.deepEqual(searchDocs("xylophone", root), []);
  assert.deepEqual(searchDocs("…", root), []);
});

test("every hop is documented", () => {
  const undocumented = Object.keys(via).filter((name) => !docOf(`via.${name}`, root)?.summary);
  assert.deepEqual(undocumented, []);
  assert.match(docOf("via.sudo", root)?.signature ?? "", /^via\.sudo\(/);
});
