import assert from "node:assert/strict";
import { test } from "node:test";
import * as via from "../../../lib/via";
import { open, run } from "./_sshd";

const skip = process.geteuid?.() === 0 ? false : "needs root";

test("no variable of root's reaches the user", { skip }, async (t) => {
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
  });
  process.env = { ...before, XDG_RUNTIME_DIR: "/run/user/0", SECRET: "of root", LC_ALL: "C" };
  const { connection } = await open(via.as("nobody"));
  const { stdout } = await run(connection, "env | sort");
  assert.deepEqual(
    stdout.split("\n").filter((line) => !/^(_|PWD|OLDPWD|SHLVL)=/.test(line)),
    ["HOME=/", "LOGNAME=nobody", "PATH=/usr/local/bin:/usr/bin:/bin", "SHELL=/bin/sh", "USER=nobody", ""],
  );
});
