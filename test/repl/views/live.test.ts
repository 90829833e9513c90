import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import test from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { wrappedRows } from "../../../repl/views/_live";
import { LiveScreen, warmUp } from "../../../repl/views/live";
import { until } from "../../support/until";
import { mixed } from "./_recorded";

/** A terminal that records all output. */
function terminal() {
  const stream = Object.assign(new PassThrough(), { columns: 80, rows: 24, isTTY: true });
  let all = "";
  stream.on("data", (chunk: Buffer) => (all += chunk.toString()));
  return { stream, text: () => all };
}

test("a short deployment is only printed", async () => {
  const { stream, text } = terminal();
  const view = new LiveScreen(stream).view();
  for (const event of mixed()) view.add(event);
  view.settle();
  await until("its steps", () => text().startsWith("  + nginx is installed 1.2 s\n"), { saw: text });
  await wait(300);
  assert.equal(text().match(/nginx is installed/g)?.length, 1);
});

test("ink is loaded with React's build for production, and the environment stays as it is", async () => {
  const { NODE_ENV } = process.env;
  const { fetch } = globalThis;
  await warmUp();
  // A file that was only searched for its exports is in the cache, too.
  const modules = Object.values(require.cache).filter((module) => module?.loaded);
  const loaded = modules
    .map((module) => module?.filename ?? "")
    .filter((file) => /react.*\.(development|production)/.test(file));
  assert.ok(loaded.length > 0);
  assert.deepEqual(
    loaded.filter((file) => file.includes("development")),
    [],
  );
  assert.equal(process.env["NODE_ENV"], NODE_ENV);
  assert.equal(globalThis.fetch, fetch);
  const ofNode = (process as unknown as { moduleLoadList: string[] }).moduleLoadList;
  assert.ok(!ofNode.some((each) => each.includes("undici")), "for the fetch of what is in memory");
});

test("a window that becomes narrower wraps the lines of the drawing", () => {
  assert.equal(wrappedRows([80, 20, 0], 80), 0);
  assert.equal(wrappedRows([80, 20, 51], 50), 2);
  assert.equal(wrappedRows([80, 20, 51], 20), 5);
});

test("a longer deployment is drawn, then replaced by its result", async () => {
  await warmUp();
  const { stream, text } = terminal();
  const view = new LiveScreen(stream).view();
  const events = mixed();
  for (const event of events.slice(0, 11)) view.add(event);
  await until("its drawing", () => /nginx -t [0-9]+ ms/.test(text()) && /\| in line 3/.test(text()), {
    saw: text,
  });
  for (const event of events.slice(11)) view.add(event);
  const drawn = text().length;
  view.settle();
  const result = /✗ web1\.example\.org: 1 changed, 1 unchanged, 1 failed, 1 skipped in 1\.3 s/;
  await until("its result", () => result.test(text().slice(drawn)), { saw: text });
  const end = text().length;
  await wait(300);
  assert.equal(text().length, end, "nothing more is drawn");
});
