/** The operating system of a running machine, replaced in place. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { seqprops } from "../../lib/combinators";
import { plan } from "../../lib/controller/deploy";
import { session } from "../../lib/controller/session";
import { prepare } from "../../lib/engine/prepare";
import type { Hop } from "../../lib/model/hop";
import type { PropApp } from "../../lib/model/property";
import { makeHost } from "../../lib/nested/make-host";
import * as via from "../../lib/via";
import * as apt from "../../properties/apt";
import * as cmd from "../../properties/cmd";
import * as disk from "../../properties/disk";
import * as file from "../../properties/file";
import * as installer from "../../properties/installer";
import * as mount from "../../properties/mount";
import { debianStable, freebsdRelease } from "../../properties/os";
import * as uBoot from "../../properties/uBoot";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { aptOptions } from "../support/_base";
import { needsMachines } from "../support/machines";
import { until } from "../support/until";

const trixie = debianStable("trixie", "amd64", { from: "bookworm" });

test("refused before connecting", () => {
  const refusal = (...applications: PropApp[]) => {
    try {
      prepare({ name: "web1" }, seqprops(...applications));
      return undefined;
    } catch (error) {
      return (error as Error).message.replace(/^[\s\S]*?\.ts:\d+:\d+: /, "");
    }
  };
  assert.match(
    refusal(freebsdRelease("14.1", "amd64"), installer.cleanlyInstalledOnce()) ?? "",
    /it needs a debian system, but web1 runs/,
  );
  assert.match(
    refusal(trixie, installer.cleanlyInstalledOnce({ noCheckGpg: true })) ?? "",
    /it takes the options include, components, variant, keyring, aptProxy and aptMirror$/,
  );
  const board = uBoot.installRockchip({ target: "rockpro64-rk3399" });
  const volumes = disk.hasVolumes(disk.physicalDisk({ deviceFile: "/dev/sda", bootsWith: board }));
  assert.match(
    refusal(trixie, volumes, installer.cleanlyInstalledOnce()) ?? "",
    /uBoot\.\w+ cannot boot a system that replaces the one that runs; grub\.grub can$/,
  );
});

describe("installer.cleanlyInstalledOnce on a real host", needsMachines(), () => {
  const directory = mkdtempSync(path.join(tmpdir(), "reinstall-"));
  /** The new system, once it was made. */
  const made = path.join(directory, "new-os");
  let on: Rig;
  let proxy: PropApp[] = [];
  beforeEach(async () => {
    // systemd of trixie boots on a computer with cgroup v1 only when it is asked to.
    on = await rig({ packages: ["mmdebstrap"], nspawn: ["SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"] });
    assert.equal(session.consfig?.refresh().error, undefined);
    // As this computer does.
    const [, uri] =
      (await aptOptions()).map((each) => /^Acquire::http::Proxy "(.*)";$/.exec(each)).find(Boolean) ?? [];
    if (uri !== undefined) proxy = [apt.proxy(uri)];
    assertOk(await on.deploy([file.hasContent("/etc/first", ["1"])], hops()));
    await on.arrived();
    if (existsSync(made)) execFileSync("cp", ["-a", made, on.machine.root]);
  });
  afterEach(() => on?.stop());
  after(() => rmSync(directory, { recursive: true, force: true }));

  const host = (...more: PropApp[]) => [
    trixie,
    ...proxy,
    installer.cleanlyInstalledOnce({ variant: "minbase" }),
    ...more,
  ];
  const hops = () => [on.ssh(), via.agent()];
  const release = async () => (await on.machine.run(". /etc/os-release; echo $VERSION_CODENAME")).trim();
  /** From now on `program` waits until it is killed, in the system whose root directory is `root`, when `condition` holds. */
  const holds = async (program: string, { root = "", condition = "true" } = {}) => {
    const script = `#!/bin/sh\nif ${condition}; then exec sleep 9999; fi\nexec /usr/bin/${program} "$@"\n`;
    writeFileSync(`${on.machine.root}${root}/usr/local/bin/${program}`, script, { mode: 0o755 });
  };
  const isHeld = async () => (await on.machine.exec("pgrep -f '^sleep 9999'")).exit === 0;
  /** Deploys, and kills what applies it when `reached`. */
  const killed = async (what: string, reached: () => Promise<boolean>) => {
    const deploying = on.deploy(host(), hops());
    await until(what, reached, { seconds: 300 });
    for (const pid of await on.pids("worker")) await on.machine.exec(`kill -9 ${pid}`);
    assert.equal((await deploying).ok, false);
  };
  const powerFails = async () => {
    await on.machine.cutPower();
    for (const program of ["sync", "systemctl"])
      rmSync(`${on.machine.root}/usr/local/bin/${program}`, { force: true });
    await on.machine.powerOn();
  };
  const unchangedNow = async (...more: PropApp[]) => {
    const again = await on.deploy(host(...more), hops());
    assertOk(again);
    assert.equal(again.status, "unchanged");
    const seen =
      "ls -A / | grep -e new-os -e ^[.] || true; find / -xdev -name os-replacement.service -not -path '/old-os/*'";
    assert.equal(await on.machine.run(seen), "", "nothing is left of the work");
  };

  test("it is planned, and what stands against it is said, before anything is changed", async () => {
    const before = await on.machine.run("ls -A /");
    const rented = makeHost(
      "web1.example.org",
      {},
      seqprops(...host(mount.unmountedBelowAndRemoved("/old-os"))),
    );
    const { steps } = await plan(rented, [on.ssh()] as unknown as Hop);
    const answers = steps.map(({ property, plan }) => `${property} ${plan?.answer}`);
    assert.deepEqual(
      answers.filter((answer) => !/^(os|apt)\./.test(answer)),
      [
        "installer.cleanlyInstalledOnce would change",
        "installer._replaced would change",
        "installer._rebooted depends",
        "mount.unmountedBelowAndRemoved depends",
      ],
    );
    const [, output = ""] = steps.flatMap(({ property, output }) =>
      property === "installer._replaced" ? [property, output] : [],
    );
    assert.match(
      output,
      /^Debian GNU\/Linux 12 .* on web1\.example\.org is replaced by Debian trixie \(amd64\)\. Everything/,
    );
    assert.equal(await on.machine.run("ls -A /"), before);
    const keys = "/root/.ssh/authorized_keys";
    await on.machine.run(`mkdir -p /old-os/etc; sed -i.mine 's/^/command="no" /' ${keys}`);
    const report = await on.deploy(host(), hops());
    assert.match(
      report.failed[0]?.failure?.message ?? "",
      /^the operating system of web1\.example\.org cannot be replaced:\nnobody could log into the new system: .*\n\/old-os is not empty; /,
    );
    assert.equal(await on.machine.run("ls -d /new-os 2>/dev/null || true"), "");
  });

  test("killed while it is made, without power before it is put in place, and replaced then", {
    timeout: 1_800_000,
  }, async () => {
    await killed("it is being made", async () => existsSync(`${on.machine.root}/new-os/mmdebstrap/usr`));
    await holds("sync");
    await killed("it was made", isHeld);
    execFileSync("cp", ["-a", `${on.machine.root}/new-os`, made]);
    await powerFails();
    assert.equal(await release(), "bookworm");
    const { leader } = on.machine;
    const second = file.hasContent("/etc/second", ["2"]);
    assertOk(await on.deploy(host(second), hops()));
    assert.notEqual(on.machine.leader, leader, "it has rebooted, and was waited for");
    const seen =
      "cat /etc/second /old-os/etc/first; hostname; systemctl is-system-running --wait; id admin 2>&1 || true";
    assert.equal(await release(), "trixie");
    assert.equal(await on.machine.run(seen), "2\n1\nweb1\nrunning\nid: 'admin': no such user\n");
    await unchangedNow(second);
  });

  test("without power in the midst of the exchange, it goes on when it boots", {
    timeout: 900_000,
  }, async () => {
    await holds("sync", { condition: "[ -e /.os-being-replaced ]" });
    await killed("the exchange begins", isHeld);
    await on.machine.run(
      `perl -e 'my ($one, $other) = ("/etc", "/new-os/etc"); syscall(316, -100, $one, -100, $other, 2) == 0 or die $!'`,
    );
    await powerFails();
    await until("the new system", async () => (await release()) === "trixie");
    await on.machine.waitForSsh();
    assertOk(await on.deploy(host(), hops()));
    await unchangedNow();
  });

  test("without power after the exchange, it boots the new system", { timeout: 900_000 }, async () => {
    await holds("systemctl", { root: "/new-os", condition: "[ -e /.os-being-replaced ]" });
    await killed("the exchange has ended", isHeld);
    assert.equal(await release(), "trixie");
    await powerFails();
    assertOk(await on.deploy(host(), hops()));
    await unchangedNow();
  });

  test("it is not rebooted when something fails, over a shell, too", { timeout: 900_000 }, async () => {
    const { leader } = on.machine;
    const third = [mount.unmountedBelowAndRemoved("/old-os"), cmd.single("test -e /etc/third")];
    const deploying = on.deploy([seqprops(...host(...third))], [on.ssh()]);
    const report = await deploying;
    assert.equal(report.ok, false);
    const messages = report.failed.map(({ failure }) => failure?.message).join("\n");
    assert.match(messages, /web1\.example\.org IS NOT REBOOTED, because something failed after/);
    // A new connection, to sshd of the new system.
    await session.connections.close();
    assert.equal(on.machine.leader, leader);
    await on.machine.run("touch /etc/third");
    assertOk(await on.deploy([seqprops(...host(...third))], [on.ssh()]));
    assert.notEqual(on.machine.leader, leader);
    assert.equal(await release(), "trixie");
    assert.equal(await on.machine.run("ls -d /old-os 2>/dev/null || true"), "");
  });
});
