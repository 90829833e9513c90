import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { onOneLine, scriptFrom } from "../../../lib/target/command";

const given = (input: string) =>
  spawnSync("sh", ["-c", scriptFrom(0)], { input, encoding: "utf8", env: { PATH: process.env["PATH"] } });

test("a script that comes as one line runs as it was, with what follows it as its input", () => {
  const { status, stdout } = given(`${onOneLine("printf '%s|' 'a\\\\b'\ncat\nexit 3")}the input`);
  assert.deepEqual([status, stdout], [3, "a\\\\b|the input"]);
});

test("a script that does not come to its end does not run: not even its beginning", () => {
  const { status, stdout } = given("echo rm -rf /srv/old");
  assert.deepEqual([status !== 0, stdout], [true, ""]);
});
