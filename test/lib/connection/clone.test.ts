import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { deploy } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { defhost } from "../../../lib/model/host";
import type { MaybePropApp } from "../../../lib/model/property";
import type { Report } from "../../../lib/model/report";
import * as via from "../../../lib/via";
import * as cmd from "../../../properties/cmd";
import * as file from "../../../properties/file";
import { debianStable } from "../../../properties/os";
import * as systemd from "../../../properties/systemd";
import * as user from "../../../properties/user";
import { limit } from "../../support/load";
import { needsMachines } from "../../support/machines";
import { until } from "../../support/until";
import { assertOk, type Rig, rig } from "../agent/_rig";
import { clonesOn, untouched } from "./_untouched";

describe("via.clone on a real host", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    await on.machine.run("systemctl is-system-running --wait || true");
  });
  after(() => on?.stop());

  const inClone = (
    name: string,
    more: readonly unknown[],
    ...applications: MaybePropApp[]
  ): Promise<Report> =>
    Promise.resolve(
      deploy(
        defhost(
          name,
          { deploy: [on.ssh(), via.clone(), ...more] as never },
          debianStable("bookworm", "amd64"),
          ...applications,
        ),
      ),
    );

  for (const [kind, more] of [
    ["a shell", []],
    ["an agent", [via.agent()]],
  ] as const)
    test(`through ${kind}: services start there, and nothing is different outside`, {
      timeout: limit(180),
    }, async () => {
      const assertUntouched = await untouched(on);
      const report = await inClone(
        `clone-${more.length}.example.org`,
        more,
        file.hasContent("/etc/motd", "cloned"),
        file.doesNotExist("/etc/debian_version"),
        user.hasAccount("rehearser"),
        systemd.hasUnit("answer.service", "[Service]\nExecStart=/bin/sleep 4711\n"),
        systemd.started("answer.service"),
        systemd.restarted("cron"),
        cmd.single(
          "getent passwd rehearser && systemctl is-active answer.service && test $(hostname) = web1 && grep cloned /etc/motd && apt-get -qq update",
        ),
        // No modules, clock and memory of the kernel.
        cmd.single(
          `test $((0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status) & (1 << 16 | 1 << 17 | 1 << 25))) = 0`,
        ),
      );
      assertOk(report);
      await session.connections.close();
      await assertUntouched();
    });

  test("variables of the user stay outside, and a system that takes long to begin is waited for", {
    timeout: limit(120),
  }, async () => {
    const slow = "/usr/local/bin/setpriv";
    await on.machine.run(
      `printf '#!/bin/sh\\ncase $* in *systemd*) sleep 1;; esac; exec /usr/bin/setpriv "$@"\\n' >${slow}; chmod 755 ${slow}`,
    );
    const report = await Promise.resolve(
      deploy(
        defhost(
          "clone-slow.example.org",
          { deploy: [on.ssh(), via.shellWrap("env", "TMPDIR=/nowhere"), via.clone()] },
          cmd.single('test -z "$TMPDIR" && systemctl is-active cron'),
        ),
      ),
    );
    assertOk(report);
    await session.connections.close();
    await on.machine.run(`rm ${slow}`);
  });

  const noClone = () => until("its end", async () => (await clonesOn(on)).length === 0);

  test("killed, it is gone with all that runs in it; what it leaves is removed by the next", async () => {
    const killed = inClone("clone-killed.example.org", [], cmd.single("sleep 4712"));
    await until(
      "the command",
      async () => (await on.machine.exec("pgrep -x sleep -a | grep 4712")).exit === 0,
    );
    const [name = ""] = await clonesOn(on);
    await on.machine.run(`kill -9 ${name.slice("clone.".length)}`);
    const report = await killed;
    assert.equal(report.status, "failed");
    await until(
      "the end of the command",
      async () => (await on.machine.exec("pgrep -f 'sleep 471[2]'")).exit !== 0,
    );
    assert.deepEqual(await clonesOn(on), [name]);
    await session.connections.close();
    assertOk(await inClone("clone-next.example.org", [], cmd.single("true")));
    assert.ok(!(await clonesOn(on)).includes(name));
    await session.connections.close();
    await noClone();
  });

  test("a link that is cut takes it along", async () => {
    const proxy = await on.proxy();
    const cut = Promise.resolve(
      deploy(
        defhost(
          "clone-cut.example.org",
          { deploy: [on.ssh("root", proxy), via.clone()] as never },
          cmd.single("sleep 4713"),
        ),
      ),
    );
    await until("the command", async () => (await on.machine.exec("pgrep -f 'sleep 471[3]'")).exit === 0);
    proxy.cut();
    assert.equal((await cut).status, "failed");
    await until(
      "the end of the command",
      async () => (await on.machine.exec("pgrep -f 'sleep 471[3]'")).exit !== 0,
    );
    await until(
      "the end of its mounts",
      async () => (await on.machine.exec("cat /proc/[0-9]*/mounts | grep ' /run/consfigurator'")).exit !== 0,
    );
  });

  test("the next deployment finds it as this one left it; root's downloads use the host's network, its own addresses do not", {
    timeout: limit(180),
  }, async () => {
    await on.machine.run("apt-get -qq update && apt-get -qq install -y curl python3 >/dev/null");
    await on.machine.run(
      "cd /srv && (setsid python3 -m http.server 8099 --bind 127.0.0.1 </dev/null >/dev/null 2>&1 &)",
    );
    await until(
      "the host's server",
      async () => (await on.machine.exec("curl -sf localhost:8099")).exit === 0,
    );
    const again = (...applications: MaybePropApp[]) =>
      inClone("clone-again.example.org", [], ...applications);
    assertOk(await again(file.hasContent("/srv/left", "left")));
    assertOk(
      await again(
        cmd.single("grep -q left /srv/left"),
        cmd.single("curl -sf -o /dev/null http://deb.debian.org/debian/dists/bookworm/Release"),
        cmd.single("! curl -sf --max-time 5 http://localhost:8099/"),
      ),
    );
    await on.machine.run("pkill -f 'http[.]serve[r]'");
    await session.connections.close();
  });

  test("it needs root", async () => {
    const host = defhost(
      "clone-plain.example.org",
      { deploy: [on.ssh("plain"), via.clone()] as never },
      cmd.single("true"),
    );
    assert.equal((await deploy(host)).failure?.message, "via.clone(): needs root; add via.sudo() before it");
  });
});
