import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { workspace } from "./_workspace";

test("saved, created and removed sources are reported, several at once in one call, and nothing else", {
  timeout: 20_000,
}, async (t) => {
  const { consfig, root, write, remove } = workspace(t, {
    "hosts/a.ts": 'import "../shared/b";\n',
    "shared/b.ts": "export {};\n",
    "properties/p.ts": "export {};\n",
  });
  consfig.refresh();
  const saves = new EventEmitter();
  const watch = consfig.watch((files) =>
    saves.emit(
      "save",
      files.map((file) => path.relative(root, file)),
    ),
  );
  t.after(() => watch.close());
  const next = async (): Promise<unknown> => (await once(saves, "save"))[0];
  // Long before the watcher can see it.
  write({ "hosts/early.ts": "export {};\n" });
  assert.deepEqual(await next(), ["hosts/early.ts"]);

  write({
    "hosts/notes.txt": "not a source",
    "hosts/node_modules/x/a.ts": "",
    "shared/b.ts": "export const b = 1;\n",
    "properties/p.ts": "export const p = 1;\n",
  });
  assert.deepEqual(await next(), ["properties/p.ts", "shared/b.ts"]);
  write({ "hosts/new.ts": "export {};\n" });
  assert.deepEqual(await next(), ["hosts/new.ts"]);
  remove("hosts/new.ts");
  assert.deepEqual(await next(), ["hosts/new.ts"]);
  // Most editors, and writeFile, empty a file before they write it.
  const calls: string[] = [];
  const noted = () => calls.push(readFileSync(path.join(root, "shared/b.ts"), "utf8"));
  saves.on("save", noted);
  write({ "shared/b.ts": "" });
  await delay(150);
  write({ "shared/b.ts": "export const b = 2;\n" });
  assert.deepEqual(await next(), ["shared/b.ts"]);
  assert.deepEqual(calls, ["export const b = 2;\n"]);
  write({ "shared/b.ts": "" });
  assert.deepEqual(await next(), ["shared/b.ts"]);
  saves.off("save", noted);
  await watch.close();
  write({ "hosts/a.ts": "export {};\n" });
  saves.once("save", () => assert.fail("called after close"));
  await delay(150);
});

test("a watch that is closed at once never starts", async (t) => {
  const { consfig } = workspace(t, { "hosts/a.ts": "export {};\n" });
  await consfig.watch(() => assert.fail("called")).close();
});
