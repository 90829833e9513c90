import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";

const root = path.join(__dirname, "../../..");

test("what only ends the planning of a slot is no unhandled error", () => {
  const program = `
    const { onUnhandledError } = require("./lib/engine/unhandled-errors");
    const { PlanEnds } = require("./lib/model/plan");
    onUnhandledError((error) => console.log(error.message));
    Promise.reject(new PlanEnds("its turn has not come"));
    Promise.reject(new Error("forgotten"));`;
  const printed = execFileSync(process.execPath, ["-r", "./lib/source/register.js", "-e", program], {
    cwd: root,
    encoding: "utf8",
  });
  assert.equal(printed, "forgotten\n");
});
