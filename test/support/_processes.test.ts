import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { killAll, processesMarked } from "./_processes";

const needsProc = { skip: existsSync("/proc/self/stat") ? false : "needs /proc" };

test(
  "a process without the mark is found by the temporary files that its command names",
  needsProc,
  async () => {
    const file = "/tmp/cfgt-0123456789ab/7/config";
    const child = spawn("sh", ["-c", "echo started; read line", "sshd", "-f", file], { env: {} });
    const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const found = (mark: string) => processesMarked((id) => id === mark);
    assert.deepEqual(
      found("0123456789ab.7").map(({ pid }) => pid),
      [child.pid],
    );
    assert.deepEqual(found("0123456789ab.8"), []);
    killAll(found("0123456789ab.7"));
    assert.equal(await ended, "SIGKILL");
  },
);
