import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { WatchLines } from "../../../repl/views/watch";
import { needsTerminal, prompt } from "../_terminal";

test("what is seen is one line each, with what has changed", () => {
  const lines = new WatchLines();
  const seen = { host: "web1", at: "2026-01-31T12:00:05.000Z" };
  const service = { host: "web1", name: "nginx", state: "active", pid: 3, since: null };
  const shown = [
    lines.line({ ...seen, change: "new", row: service }),
    lines.line({
      ...seen,
      change: "changed",
      before: service,
      row: { ...service, state: "failed", pid: null },
    }),
    lines.line({ ...seen, change: "lost", message: "no route" }),
    lines.line({ ...seen, change: "back" }),
    lines.line({
      ...seen,
      change: "new",
      row: { time: seen.at, priority: 6, unit: "a.service", program: "a", message: "hello\u001b[2J\nyou" },
    }),
    lines.line({ ...seen, change: "noted", message: "/a was replaced; following the new one" }),
    lines.line({ ...seen, change: "new", row: { path: "/a", line: "  at b.js:1" } }),
  ];
  assert.deepEqual(shown.map(stripVTControlCharacters), [
    "12:00:05 web1 + nginx  active  3",
    "12:00:05 web1 ~ nginx: state active → failed, pid 3 → none",
    "12:00:05 web1 ✗ no route",
    "12:00:05 web1 ✓ it answers again",
    "12:00:05 web1 a hello you",
    "12:00:05 web1 ! /a was replaced; following the new one",
    "12:00:05 web1 /a   at b.js:1",
  ]);
});

test("at the prompt, Ctrl-C ends a watch, and the prompt comes back", needsTerminal, async (t) => {
  const place = mkdtempSync(path.join(tmpdir(), "watch-test-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  const at = await prompt(t);
  at.keys(`watch(on("here.example.org", via.local()).files("${place}/*"), { every: 0.2 })\r`);
  // A file that was there before the first question is not seen, so they are made until one is seen.
  let made = 0;
  const making = setInterval(() => writeFileSync(path.join(place, `file${(made += 1)}`), ""), 200);
  t.after(() => clearInterval(making));
  await at.until(/\d\d:\d\d:\d\d here\.example\.org \+ .*file\d+/);
  clearInterval(making);
  at.keys("\u0003");
  await at.until(/consfig> $/);
  await at.type("1 + 1", /\n2\n/);
});

test("at the prompt, files are followed until Ctrl-C", needsTerminal, async (t) => {
  const place = mkdtempSync(path.join(tmpdir(), "follow-test-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  const file = path.join(place, "log");
  writeFileSync(file, "one\n");
  const at = await prompt(t);
  at.keys(`on("here.example.org", via.local()).follow("${file}")\r`);
  await at.until(/\d\d:\d\d:\d\d here\.example\.org \S+ one/);
  appendFileSync(file, "two\n");
  await at.until(/ two\n/);
  at.keys("\u0003");
  await at.until(/consfig> $/);
  await at.type("1 + 1", /2\nconsfig> $/);
});
