import assert from "node:assert/strict";
import { test } from "node:test";
import { type Key, KeyReader, keysIn } from "../../../repl/look/keys";
import { until } from "../../support/until";

const names = (typed: string) => keysIn(typed).keys.map(({ name }) => name);

test("letters, special keys of several terminals, and control characters have names", () => {
  assert.deepEqual(names("qü/"), ["q", "ü", "/"]);
  assert.deepEqual(names("\u001b[A\u001bOB\u001b[5~\u001b[1~\u001b[H\u001bOF\u001b[Z"), [
    "up",
    "down",
    "page-up",
    "home",
    "home",
    "end",
    "back-tab",
  ]);
  assert.deepEqual(names("\r\t\u0003\u007f"), ["enter", "tab", "ctrl-c", "backspace"]);
});

test("keys that mean nothing are none", () => {
  assert.deepEqual(names("\u001b[15~\u0001a\u001b[1;5C"), ["a"]);
});

test("pasted text is one key, which is no letter", () => {
  assert.deepEqual(keysIn("\u001b[200~dy\u001b[201~q").keys, [
    { name: "paste", text: "dy" },
    { name: "q", text: "q" },
  ]);
});

test("a key may arrive in pieces, and Escape alone is one", async () => {
  const keys: Key[] = [];
  const reader = new KeyReader((key) => keys.push(key));
  for (const piece of ["\u001b", "[", "A", "\u001b[200~d", "y\u001b[201~"]) reader.add(Buffer.from(piece));
  assert.deepEqual(
    keys.map(({ name }) => name),
    ["up", "paste"],
  );
  reader.add(Buffer.from("\u001b"));
  await until("Escape", () => keys.at(-1)?.name === "escape");
  reader.close();
});
