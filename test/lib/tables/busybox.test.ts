/** A system that has only busybox, as Alpine has: a real one, in a directory of a machine whose own programs tell the same. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { on } from "../../../lib/explore/on";
import type { Seen } from "../../../lib/model/seen";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { until } from "../../support/until";
import { type Rig, rig } from "../agent/_rig";
import { smallTree } from "../connection/_tree";

const name = "web1.example.org";

describe("a system with only busybox", { ...needsMachines(), concurrency: false }, () => {
  let rigged: Rig;
  before(async () => {
    const tree = await smallTree();
    rigged = await rig();
    const copy = { recursive: true, verbatimSymlinks: true };
    cpSync(path.join(tree, "srv/inner"), path.join(rigged.machine.root, "srv/busybox"), copy);
  });
  after(() => rigged?.stop());

  const whole = () => on(name, rigged.ssh());
  const bare = () => on(name, [rigged.ssh(), via.chroot("/srv/busybox")] as never);

  test("has the same ports, connections, interfaces and routes as ss and ip tell of it", async () => {
    for (const ask of ["ports", "interfaces", "routes"] as const) {
      const [expected, found] = [await whole()[ask](), await bare()[ask]()];
      const sorted = (rows: readonly object[]) => [...rows].map((row) => JSON.stringify(row)).sort();
      assert.deepEqual([sorted(found), found.errors], [sorted(expected), []]);
      assert.notEqual(found.length, 0);
    }
    const connections = await bare().connections();
    assert.ok(
      connections.some(
        ({ port, protocol, program, pid }) => port === 22 && protocol === "tcp" && program === "sshd" && pid,
      ),
    );
  });

  test("has its processes, facts, mounts and files", async () => {
    const [expected, found] = [(await whole().facts())[0], (await bare().facts())[0]];
    assert.deepEqual(
      [found?.processors, found?.memoryBytes, found?.booted, found?.os],
      [expected?.processors, expected?.memoryBytes, expected?.booted, "Linux"],
    );
    const disks = async (asking: typeof whole) =>
      [...(await asking().disks())]
        .filter(({ sizeBytes }) => sizeBytes > 0)
        .map((row) => JSON.stringify([row.name, row.on, row.type, row.sizeBytes, row.model]))
        .sort();
    assert.deepEqual(await disks(bare), await disks(whole));
    const processes = await bare().processes();
    assert.ok(
      processes.some(({ pid, user, command }) => pid === 1 && user === "root" && /systemd/.test(command)),
    );
    assert.ok((await bare().mounts()).some(({ place }) => place === "/"));
    assert.deepEqual(
      [...(await bare().touched("/etc/passwd"))].map(({ path: file, type }) => [file, type]),
      [["/etc/passwd", "file"]],
    );
  });

  test("has the packages of apk", async () => {
    // As apk-package(5) of apk-tools 2.14 describes the index, and /etc/apk/world.
    await rigged.machine.run(`cd /srv/busybox; mkdir -p lib/apk/db etc/apk
printf 'curl>8\\nnginx@edge\\n' >etc/apk/world
printf '%s\\n' C:Q1abc= P:curl V:8.9.0-r0 A:x86_64 S:100 '' C:Q1def= P:musl V:1.2.5-r0 A:x86_64 F:lib R:libc.so '' >lib/apk/db/installed
printf '#!/bin/sh\\n' >usr/bin/apk; chmod +x usr/bin/apk`);
    assert.deepEqual(
      [...(await bare().packages())].map((row) => [row.name, row.version, row.architecture, row.manual]),
      [
        ["curl", "8.9.0-r0", "x86_64", true],
        ["musl", "1.2.5-r0", "x86_64", false],
      ],
    );
  });

  test("says what it does not have", async () => {
    const there = bare();
    const systemd = "the host has no systemctl(1): it is not run by systemd, whose units this table has";
    const answers = await Promise.all([
      there.services(),
      there.timers(),
      there.failed(),
      there.logs({ grep: "x" }),
      there.conffiles(),
    ]);
    assert.deepEqual(
      answers.map(({ errors }) => errors[0]?.message),
      [
        ...[systemd, systemd, systemd],
        'the host has no journalctl(1), so it has no journal; its logs are files, such as follow("/var/log/messages")',
        "the host has no dpkg, which knows the configuration files of packages",
      ],
    );
  });

  test("has files that are followed through rotations, and over a link that is lost", async (t) => {
    const run = (script: string) => rigged.machine.run(`set -e; cd /srv/busybox/root; ${script}`);
    const proxy = await rigged.proxy();
    await run("seq 1 9 >log");
    const hops = [rigged.ssh("root", proxy), via.chroot("/srv/busybox")];
    const following = on(name, hops as never).follow("/root/log", { lines: 1 });
    const seen: Seen[] = [];
    following.subscribe((each) => seen.push(each));
    t.after(() => following.stop());
    const said = () =>
      seen.map(({ change, row, message }) => row?.["line"] ?? (change === "noted" ? message : change));
    const came = (line: string) =>
      until(line, () => said().includes(line), { saw: () => JSON.stringify(seen) });
    await came("9");
    await run("exec 5>>log; mv log log.1; echo 10 >&5; echo 11 >log");
    await came("11");
    proxy.cut("refuse");
    await came("lost");
    await run("echo 12 >>log; mv log log.2; echo 13 >log");
    proxy.restore();
    await came("13");
    const replaced = "/root/log was replaced; following the new one";
    assert.deepEqual(said(), ["9", "10", replaced, "11", "lost", "back", "12", replaced, "13"]);
    following.stop();
    await following;
    assert.equal((await rigged.machine.exec("pgrep -af '[f]ollow /'")).stdout, "");
  });
});
