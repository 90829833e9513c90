import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { newestFirst } from "../../../lib/util/newest-first";

test("files from the future, written before the clock was set back, come last", (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), "newest-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const now = Date.now() / 1000;
  const ages = { yesterday: -86400, now: 0, nextYear: 365 * 86400, tomorrow: 86400, lastYear: -365 * 86400 };
  const files = Object.entries(ages).map(([name, age]) => {
    const file = path.join(dir, name);
    writeFileSync(file, "");
    utimesSync(file, now + age, now + age);
    return file;
  });
  assert.deepEqual(
    newestFirst([...files, path.join(dir, "gone")]).map((file) => path.basename(file)),
    ["now", "yesterday", "lastYear", "nextYear", "tomorrow", "gone"],
  );
});
