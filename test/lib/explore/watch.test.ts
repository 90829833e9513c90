import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { session } from "../../../lib/controller/session";
import { on } from "../../../lib/explore/on";
import { watch } from "../../../lib/explore/watch";
import type { Seen } from "../../../lib/model/seen";
import * as via from "../../../lib/via";
import { until } from "../../support/until";
import { nowhere } from "../controller/_hosts";

const name = "web1.example.org";

function directory(t: { after(act: () => void): void }): string {
  const place = mkdtempSync(path.join(tmpdir(), "watch-test-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  return place;
}

test("sees rows that are new, changed and gone, until it is stopped", async (t) => {
  const place = directory(t);
  writeFileSync(path.join(place, "old"), "");
  const watching = watch(on(name, via.local()).files(`${place}/*`), { every: 0.1 });
  const seen: Seen[] = [];
  watching.subscribe((each) => seen.push(each));
  assert.ok(session.watches.has(watching));
  const saw = (change: Seen["change"], file: string) =>
    until(`${change} ${file}`, () =>
      seen.find((each) => each.change === change && each.row?.["path"] === path.join(place, file)),
    );
  // Whatever was there before its first question is not seen.
  let made = 0;
  await until("a new file", () => {
    if (made < 200) writeFileSync(path.join(place, `new${made++}`), "");
    return seen.some(
      ({ change, row }) => change === "new" && String(row?.["path"]).startsWith(`${place}/new`),
    );
  });
  utimesSync(path.join(place, "old"), 1, 1);
  const changed = await saw("changed", "old");
  assert.equal(changed.row?.["changed"], "1970-01-01T00:00:01.000Z");
  assert.notEqual(changed.before?.["changed"], changed.row?.["changed"]);
  rmSync(path.join(place, "old"));
  assert.equal((await saw("gone", "old")).host, name);
  watching.stop();
  await watching;
  assert.equal(session.watches.size, 0);
  const { length } = seen;
  mkdirSync(path.join(place, "late"));
  assert.equal(seen.length, length);
});

test("a loop takes what is seen, and stops it at its end; what was filtered away is not seen", async (t) => {
  const place = directory(t);
  const files = on(name, via.local()).files(`${place}/*`);
  const watching = watch(
    files.filter((file) => file.path.endsWith(".log")).map((file) => ({ host: file.host, path: file.path })),
    { every: 0.1 },
  );
  let made = 0;
  const making = setInterval(() => {
    made += 1;
    writeFileSync(path.join(place, `${made}.txt`), "");
    writeFileSync(path.join(place, `${made}.log`), "");
  }, 100);
  try {
    for await (const { row } of watching) {
      assert.match(row?.path ?? "", /\.log$/);
      break;
    }
  } finally {
    clearInterval(making);
  }
  assert.equal(watching.stopped, true);
  assert.equal(session.watches.size, 0);
});

test("a host that does not answer is lost once, and the others go on", async (t) => {
  const place = directory(t);
  const watching = watch(on(name, nowhere({})).files(`${place}/*`), { every: 0.1 });
  const seen: Seen[] = [];
  watching.subscribe((each) => seen.push(each));
  await until("the loss", () => seen.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  watching.stop();
  await watching;
  assert.deepEqual(
    seen.map(({ host, change, message }) => [host, change, message]),
    [[name, "lost", "via.nowhere(): there is no way"]],
  );
});

test("refuses rows that cannot be asked for again", async () => {
  const rows = await on(name, via.local()).users();
  assert.throws(() => watch(rows as never, { every: 0 }), {
    name: "InvalidArguments",
    message:
      "watch: expected a question, such as on(web1).services(); rows that have arrived cannot be asked for again; every is 0; it is a number of seconds, at least 0.1",
  });
});
