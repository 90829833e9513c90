import assert from "node:assert/strict";
import test from "node:test";
import { similar } from "../../../lib/util/similar";

const NAMES = ["deploy", "play", "plan", "check", "init", "file.containsLines", "nginx"];

const cases: [wanted: string, expected: string[]][] = [
  ["paly", ["play"]],
  ["plat", ["play", "plan"]],
  ["depoly", ["deploy"]],
  ["deply", ["deploy"]],
  ["ngimx", ["nginx"]],
  ["file.containLine", ["file.containsLines"]],
  // Far from everything: a wrong guess is worse than none.
  ["exit", []],
  ["stop", []],
  ["list", []],
];

for (const [wanted, expected] of cases)
  test(`similar to ${wanted}`, () => assert.deepEqual(similar(NAMES, wanted, 4), expected));
