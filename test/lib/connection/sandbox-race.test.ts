import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { discardSandbox, whyNoClone } from "../../../lib/connection/sandbox";
import type { Connection } from "../../../lib/model/connection";
import { openSandbox } from "./_sandbox";

/** With `CI=true` nothing is skipped: the first test fails with the reason. */
const needsClone = { skip: process.env["CI"] === "true" ? false : (whyNoClone() ?? false) };
/** How many clones are opened at the same time on a busy machine. */
const MANY = 12;
/** Time limit of the busy loops in seconds, in case this process dies. */
const BUSY_AT_MOST = 30;

describe("a sandbox that is entered as soon as it is open", needsClone, () => {
  /** A directory of the real machine: clones see it through the overlay, and keep their changes to it. */
  let real: string;
  /** A file in a directory of the real machine that clones replace with their own. */
  let hidden: string;
  before(() => {
    real = mkdtempSync("/var/tmp/consfig-sandbox-race-");
    hidden = `/run/consfig-sandbox-race-${process.pid}`;
    writeFileSync(hidden, "");
  });
  after(() => {
    rmSync(real, { recursive: true });
    rmSync(hidden);
  });

  /** Enters each clone as soon as it is open, and inspects its files. */
  const enter = (names: readonly string[]) =>
    Promise.all(
      names.map(async (name) => {
        const connection = await openSandbox(name);
        try {
          return await run(
            connection,
            `echo ${name} >${real}/${name}; [ -e ${hidden} ] && echo real; stat -c %d /; ls ${real}`,
          );
        } finally {
          await discardSandbox(name);
        }
      }),
    );
  const assertIsolated = (names: readonly string[], seen: readonly string[]) => {
    assert.deepEqual(readdirSync(real), [], "the real machine is untouched");
    const device = statSync("/").dev;
    for (const [index, name] of names.entries()) {
      const [root = "", ...rest] = seen[index]?.trim().split("\n") ?? [];
      assert.match(root, /^\d+$/, "the real machine's files are not visible");
      assert.notEqual(Number(root), device, "its root is not the real one");
      assert.deepEqual(rest, [name], "it sees its own file, and none of the others");
    }
  };

  test("a clone cannot be entered before its root has changed, however slowly", async () => {
    const slow = mkdtempSync(path.join(tmpdir(), "slow-chroot-"));
    const before = process.env["PATH"];
    writeFileSync(path.join(slow, "chroot"), `#!/bin/sh\nsleep 0.5\nexec ${found("chroot")} "$@"\n`, {
      mode: 0o755,
    });
    process.env["PATH"] = `${slow}:${before}`;
    const name = named("slow");
    try {
      assertIsolated([name], await enter([name]));
    } finally {
      process.env["PATH"] = before;
      rmSync(slow, { recursive: true });
    }
  });

  test(`${MANY} at the same time, on a busy machine`, async () => {
    const busy = Array.from({ length: 2 * availableParallelism() }, () =>
      spawn("timeout", [`${BUSY_AT_MOST}`, "sh", "-c", "while :; do :; done"], { stdio: "ignore" }),
    );
    const names = Array.from({ length: MANY }, (_, index) => named(`${index}`));
    try {
      assertIsolated(names, await enter(names));
    } finally {
      for (const each of busy) each.kill();
    }
  });
});

const named = (name: string) => `race-${process.pid}-${name}`;

/** The path of the command `name`. */
function found(name: string): string {
  const candidates = `${process.env["PATH"]}:/usr/sbin:/sbin`.split(":").map((dir) => path.join(dir, name));
  const file = candidates.find((each) => existsSync(each));
  assert.ok(file, `there is no ${name} here`);
  return file;
}

/** Runs `command`, which must succeed, and returns its output. */
async function run(connection: Connection, command: string): Promise<string> {
  const channel = await connection.exec(command);
  channel.stdin.end();
  const [exit, stdout, stderr] = await Promise.all([
    channel.exit,
    text(channel.stdout),
    text(channel.stderr),
  ]);
  assert.equal(exit, 0, stderr);
  return stdout;
}
