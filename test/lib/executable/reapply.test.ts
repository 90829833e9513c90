import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { eseqpropsUntil, unapplied } from "../../../lib/combinators";
import { session } from "../../../lib/controller/session";
import { imageDumped } from "../../../lib/executable/imageDumped";
import { as, reconnects } from "../../../lib/nested/deploys";
import * as via from "../../../lib/via";
import * as cmd from "../../../properties/cmd";
import * as cron from "../../../properties/cron";
import { hasContent } from "../../../properties/file";
import { debianStable } from "../../../properties/os";
import * as systemd from "../../../properties/systemd";
import { needsMachines } from "../../support/machines";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";
import { answering } from "../connection/_sshd";

const latest = "/root/.cache/consfigurator/images/latest";
const bookworm = debianStable("bookworm", "amd64");

describe("reapplying a deployment on the host itself", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
  });
  after(() => on?.stop());

  test("imageDumped() reapplies this deployment without the controller, and other users cannot read it", async () => {
    assertOk(await on.deploy([bookworm, hasContent("/etc/strays", "in its place"), imageDumped()]));
    await on.machine.run("echo strayed >/etc/strays");
    const { exit, stdout, stderr } = await on.machine.exec(`env -i ${latest}`);
    assert.equal(stderr, "");
    assert.equal(exit, 0);
    assert.match(
      stdout,
      /^changed: content of \/etc\/strays\nweb1\.example\.org: changed, 3 steps, [0-9.]+ s\n$/,
    );
    assert.equal(await on.machine.run("cat /etc/strays"), "in its place\n");
    assert.match((await on.machine.exec(latest)).stdout, /^web1\.example\.org: unchanged/);
    assert.equal(await on.machine.run(`stat -c %a ${path.dirname(latest)}`), "700\n");
    assert.match(
      await on.machine.run("journalctl -q -t consfigurator -o cat"),
      /^changed: content of \/etc\/strays/m,
    );
  });

  test("an unchanged deployment leaves the image alone; two images are kept", async () => {
    const inode = () => statSync(path.join(on.machine.root, latest)).ino;
    const before = inode();
    const again = [bookworm, hasContent("/etc/strays", "in its place"), imageDumped()];
    const report = await on.deploy(again);
    assertOk(report);
    for (const text of ["two", "three", "four"])
      assertOk(await on.deploy([bookworm, hasContent("/etc/strays", text), imageDumped()]));
    assert.notEqual(inode(), before);
    assert.equal(readdirSync(path.join(on.machine.root, path.dirname(latest))).length, 3);
    assert.match((await on.machine.exec(latest)).stdout, /unchanged/);
  });

  test("a failure is printed, and in the journal and the exit code", async () => {
    const touched = cmd.single("test ! -e /etc/harm");
    assertOk(await on.deploy([bookworm, touched, imageDumped()]));
    await on.machine.run("touch /etc/harm");
    const { exit, stdout } = await on.machine.exec(latest);
    assert.equal(exit, 1);
    assert.match(stdout, /^failed: .*test ! -e \/etc\/harm.*\n(.*\n)*web1\.example\.org: failed/);
    assert.match(await on.machine.run("journalctl -q -t consfigurator -p err -o cat"), /etc\/harm/);
    await on.machine.run("rm /etc/harm");
  });

  test("a hop that asks for a password fails when the host repeats it, with what to do", async (t) => {
    t.after(() => {
      session.ask = undefined;
    });
    const password = randomBytes(9).toString("hex");
    await on.machine.run("chpasswd", { input: `plain:${password}\n` });
    await on.machine.run("echo 'plain ALL=(ALL:ALL) ALL' >/etc/sudoers.d/plain");
    const { ask, asked } = answering({ secrets: [password] });
    session.ask = ask;
    const asRoot = reconnects([via.as("plain"), via.sudo()], cmd.single("true"));
    assertOk(await on.deploy([bookworm, asRoot, imageDumped()]));
    assert.deepEqual(asked, ["[sudo] password for plain on web1.example.org:"]);
    const { exit, stdout } = await on.machine.exec(`env -i ${latest}`);
    assert.equal(exit, 1);
    assert.match(
      stdout,
      /sudo: a password is required; there is no terminal to ask on: deploy from a terminal, allow `\/bin\/sh` without a password \(NOPASSWD\) in sudoers, or connect as root\n/,
    );
    const kept = await on.machine.exec(`grep -rlF ${password} ${path.dirname(latest)}`);
    assert.deepEqual([kept.exit, kept.stdout], [1, ""]);
    await on.machine.run("rm /etc/sudoers.d/plain");
  });

  test("a deployment that failed does not become the image", async () => {
    const before = await on.machine.run(`cat ${latest}`);
    for (const order of [
      [imageDumped(), prop("probe.fails")],
      [prop("probe.fails"), imageDumped()],
    ])
      assert.equal((await on.deploy([bookworm, hasContent("/etc/strays", "unwanted"), ...order])).ok, false);
    assert.equal(await on.machine.run(`cat ${latest}`), before);
  });

  test("it does not need the files of the agent", async () => {
    assertOk(await on.deploy([bookworm, hasContent("/etc/strays", "in its place"), imageDumped()]));
    await session.connections.close();
    for (const role of ["relay", "supervisor", "worker"] as const)
      for (const pid of await on.pids(role)) await on.machine.exec(`kill -9 ${pid}`);
    await on.machine.run("rm -rf /root/.cache/consfigurator/agent");
    await on.machine.run("echo strayed >/etc/strays");
    const { exit, stdout, stderr } = await on.machine.exec(latest);
    assert.equal(exit, 0, stdout + stderr);
    assert.equal(await on.machine.run("cat /etc/strays"), "in its place\n");
  });

  test("an agent that it has started goes on when it is gone", async () => {
    const runtimes = "ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c /usr/local/lib/consfigurator/";
    assert.notEqual((await on.machine.exec(runtimes)).stdout, "0\n");
    assertOk(await on.deploy([bookworm, unapplied(imageDumped())]));
    assertOk(await on.deploy([bookworm, hasContent("/etc/strays", "without it"), imageDumped()]));
    assertOk(await on.deploy([bookworm, hasContent("/etc/strays", "in its place"), imageDumped()]));
  });

  test("in a nested deployment it fails with its own error class, which can be expected", async () => {
    const report = await on.deploy([bookworm, as("admin", imageDumped())]);
    assert.equal(report.ok, false);
    const failure = report.failed.find(({ property }) => property === "imageDumped")?.failure;
    assert.equal(failure?.name, "WrongExecutionContextForImageDump");
    assertOk(
      await on.deploy([
        bookworm,
        as("admin", eseqpropsUntil("WrongExecutionContextForImageDump", imageDumped())),
      ]),
    );
  });

  test("systemd.runsConfigurator: a timer, with results in the journal", async () => {
    const timed = systemd.runsConfigurator("daily");
    assertOk(await on.deploy([bookworm, hasContent("/etc/strays", "timed"), timed]));
    const again = await on.deploy([bookworm, hasContent("/etc/strays", "timed"), timed]);
    assert.equal(again.status, "unchanged");
    await on.machine.run("rm /etc/strays; systemctl start consfigurator.service");
    assert.equal(await on.machine.run("cat /etc/strays"), "timed\n");
    assert.match(
      await on.machine.run("journalctl -q -u consfigurator.service -o cat"),
      /^web1\.example\.org: changed/m,
    );
    assert.match(await on.machine.run("systemctl list-timers consfigurator.timer"), /consfigurator\.timer/);
    assertOk(await on.deploy([bookworm, unapplied(timed)]));
    assert.equal((await on.machine.exec("ls /etc/systemd/system | grep consfig")).stdout, "");
  });

  test("cron.runsConfigurator: a cron job that does the same", async () => {
    const job = cron.runsConfigurator("daily");
    assertOk(await on.deploy([bookworm, hasContent("/etc/strays", "by cron"), job]));
    await on.machine.run("rm /etc/strays; env -i /etc/cron.daily/consfigurator");
    assert.equal(await on.machine.run("cat /etc/strays"), "by cron\n");
    assertOk(await on.deploy([bookworm, unapplied(job)]));
    assert.equal((await on.machine.exec("ls /etc/cron.daily/consfigurator")).exit, 2);
    assert.equal((await on.machine.exec(`ls ${latest}`)).exit, 2);
  });
});
