import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { root } from "../../lib/util/package";

test("every test that SECURITY.md names is there", () => {
  const page = readFileSync(path.join(root, "SECURITY.md"), "utf8");
  const named = [...page.matchAll(/\[([^\]]+)\]\((test\/[^)]+)\)/g)];
  assert.ok(named.length > 15);
  for (const [, title = "", file = ""] of named) {
    const declared = new RegExp(`(test|describe)\\(\\s*"${title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}"`);
    assert.match(readFileSync(path.join(root, file), "utf8"), declared, `${file}: ${title}`);
  }
});
