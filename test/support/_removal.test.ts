import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { removeDirectory } from "./_removal";
import { needsMachines } from "./machines";

test(
  "what a killed installation of a base has mounted is unmounted, and not removed",
  needsMachines(),
  () => {
    const directory = mkdtempSync(path.join(tmpdir(), "removal-"));
    const sys = path.join(directory, "root/sys");
    mkdirSync(sys, { recursive: true });
    const { status, stderr } = spawnSync("mount", ["-t", "sysfs", "-o", "ro", "sys", sys], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    removeDirectory(directory);
    assert.equal(existsSync(directory), false);
    assert.equal(existsSync("/sys/kernel"), true);
  },
);
