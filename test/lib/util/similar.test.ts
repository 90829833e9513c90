import assert from "node:assert/strict";
import test from "node:test";
import { similar } from "../../../lib/util/similar";

const NAMES = [
  "deploy",
  "play",
  "plan",
  "check",
  "init",
  "file.containsLines",
  "nginx",
  "web",
  "a.example.org",
  "long.example.org",
];

const cases: [wanted: string, expected: string[]][] = [
  ["paly", ["play"]],
  ["plat", ["play", "plan"]],
  ["depoly", ["deploy"]],
  ["deply", ["deploy"]],
  ["ngimx", ["nginx"]],
  ["file.containLine", ["file.containsLines"]],
  // Of a short word, the letters in another order.
  ["wbe", ["web"]],
  ["wib", []],
  // What is much further off than the closest is left out.
  ["lnog.example.org", ["long.example.org"]],
  // Far from everything: a wrong guess is worse than none.
  ["exit", []],
  ["stop", []],
  ["list", []],
];

for (const [wanted, expected] of cases)
  test(`similar to ${wanted}`, () => assert.deepEqual(similar(NAMES, wanted, 4), expected));
