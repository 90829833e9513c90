import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonOf } from "../../../lib/tables/_json";

test("what a program prints is JSON, or the beginning of it is in the error", () => {
  assert.deepEqual(jsonOf('{"a":1}\n', "lsblk"), { a: 1 });
  assert.throws(() => jsonOf("lsblk: not permitted\n", "lsblk"), {
    name: "FailedChange",
    message: "lsblk printed what is not JSON: lsblk: not permitted",
  });
  assert.throws(() => jsonOf("x".repeat(1000), "ss"), {
    message: `ss printed what is not JSON: ${"x".repeat(80)}…`,
  });
});
