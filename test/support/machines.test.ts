import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { run, tryRun } from "./_run";
import { processId, takenSlots } from "./_slots";
import { bootMachine, bootMachines, type Machine, needsMachines } from "./machines";
import { until } from "./until";

describe("a test machine", needsMachines(), () => {
  let machine: Machine;
  before(async () => {
    machine = await bootMachine({ name: "web1" });
  });
  after(() => machine?.stop());

  test("is a Debian with systemd and apt, and without Node", async () => {
    assert.equal(await machine.run("hostname; cat /proc/1/comm"), "web1\nsystemd\n");
    assert.match(await machine.run("cat /etc/os-release"), /^VERSION_CODENAME=bookworm$/m);
    assert.equal((await machine.exec("command -v node")).exit, 127);
    assert.equal(await machine.run("systemctl --failed --plain --no-legend"), "");
    assert.match(await machine.run("apt-get install -y hello && hello"), /^Hello, world!$/m);
  });

  for (const [user, viaSudo] of [
    ["root", "root\n"],
    ["admin", "root\n"],
    ["plain", ""],
  ] as const) {
    test(`accepts ssh logins of ${user}`, async () => {
      const command = "id -un; sudo -n id -un 2>/dev/null";
      const { stdout } = await tryRun(["ssh", ...machine.sshOptions, `${user}@${machine.address}`, command]);
      assert.equal(stdout, `${user}\n${viaSudo}`);
    });
  }

  test("runs commands and returns their outcome", async () => {
    const ended = await machine.exec("cat; echo oops >&2; exit 3", { input: "given" });
    assert.deepEqual(ended, { stdout: "given", stderr: "oops\n", exit: 3 });
    assert.equal(
      await machine.run("id -un; pwd; echo $HOME", { user: "plain" }),
      "plain\n/home/plain\n/home/plain\n",
    );
    await assert.rejects(machine.run("echo no >&2; exit 4"), {
      message: "on web1: echo no >&2; exit 4: exit 4\nno\n",
    });
  });

  test("exposes its files on this computer", async () => {
    await machine.run("echo here > /root/note");
    assert.equal(readFileSync(path.join(machine.root, "root/note"), "utf8"), "here\n");
  });

  test("reboots, shuts down, loses power, and keeps its disk", async () => {
    const previous = machine.leader;
    await machine.run("echo kept > /root/kept");
    await machine.reboot();
    assert.notEqual(machine.leader, previous);
    await machine.powerOff();
    assert.throws(() => machine.leader, { message: "test machine web1 is not running" });
    await machine.powerOn();
    await machine.cutPower();
    await machine.powerOn();
    assert.equal(await machine.run("cat /root/kept"), "kept\n");
    await machine.run("apt-get --version");
  });
});

describe("test machines", needsMachines(), () => {
  test("boot in parallel, are isolated, and reach each other", async () => {
    const machines = await bootMachines(3);
    try {
      assert.equal(new Set(machines.map((machine) => machine.address)).size, 3);
      assert.equal(new Set(machines.map((machine) => machine.hostKey)).size, 3);
      const [one, other] = machines;
      const banner = await one?.run(`timeout 5 bash -c 'head -c 8 < /dev/tcp/${other?.address}/22'`);
      assert.equal(banner, "SSH-2.0-");
      // Stopping a service on one machine does not affect the other.
      await one?.run("systemctl stop ssh");
      assert.equal(await other?.run("systemctl is-active ssh"), "active\n");
    } finally {
      await Promise.all(machines.map((machine) => machine.stop()));
    }
  });

  test("run out of disk and memory at their limits", async () => {
    await using machine = await bootMachine({ diskLimit: 20_000_000, memoryLimit: 200_000_000 });
    const full = await machine.exec("head -c 30M /dev/zero > /root/large");
    assert.match(full.stderr, /No space left on device/);
    await machine.run("rm /root/large");
    const hungry = await machine.exec(
      "systemd-run --quiet --wait sh -c 'x=$(head -c 400M /dev/zero | tr \\\\0 x)'",
    );
    assert.notEqual(hungry.exit, 0);
    assert.equal(await machine.run("systemctl is-active ssh"), "active\n");
  });

  test("leave nothing behind when they stop, or when their process is killed", async () => {
    const machine = await bootMachine();
    const { root } = machine;
    await machine.stop();
    assert.ok(!existsSync(path.dirname(root)));

    const script = `require(${JSON.stringify(path.join(__dirname, "machines"))}).bootMachine().then((m) => console.log(m.root));`;
    const child = spawn(process.execPath, ["-e", `require("../../lib/source/register.js");${script}`], {
      cwd: __dirname,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const left = await new Promise<string>((resolve, reject) => {
      child.stdout.once("data", (data) => resolve(path.dirname(String(data).trim())));
      child.once("exit", (code) => reject(new Error(`the process exited with code ${code}`)));
    });
    const slot = takenSlots().find((taken) => taken.directory === left);
    assert.ok(slot?.supervisor);
    child.kill("SIGKILL");
    const { pid, start } = slot.supervisor;
    await until("the end of its supervisor", () => processId(pid)?.start !== start);
    assert.ok(existsSync(slot.record));
    const cleanUp = `require(${JSON.stringify(path.join(__dirname, "_slots"))}).reapSlots();`;
    await run([
      process.execPath,
      "--require",
      path.join(__dirname, "../../lib/source/register.js"),
      "-e",
      cleanUp,
    ]);
    assert.ok(!existsSync(left));
    assert.ok(slot.cgroups.every((cgroup) => !existsSync(cgroup)));
    assert.equal((await tryRun(["ip", "link", "show", `vb-${slot.unit}`])).exit, 1);
  });
});
