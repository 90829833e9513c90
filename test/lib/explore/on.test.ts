import assert from "node:assert/strict";
import { release } from "node:os";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { deployThese } from "../../../lib/controller/deploy";
import { on } from "../../../lib/explore/on";
import { object, string } from "../../../lib/model/schema";
import { deftable } from "../../../lib/model/table";
import * as via from "../../../lib/via";
import * as cmd from "../../../properties/cmd";
import { needsMachines } from "../../support/machines";
import { changedPaths, ownCaches, snapshot } from "../../support/snapshot";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";
import { nowhere } from "../controller/_hosts";

const name = "web1.example.org";

const spool = deftable({
  name: "probe.spool",
  args: object({ directory: string() }),
  call: (directory: string) => ({ directory }),
  rows: async ({ directory }, target) =>
    ((await target.list(directory)) ?? []).map((each) => ({ name: each, length: each.length })),
});

const acts = deftable({
  name: "probe.acts",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    await target.run("touch /root/acted");
    return [{ done: true }];
  },
});

const wrong = deftable({
  name: "probe.wrong",
  args: object({}),
  call: () => ({}),
  rows: async () => [{ when: new Date(0) as unknown as string }],
});

describe("on, here", () => {
  const here = () => on(name, via.local());

  test("asks a table of the user, with its arguments", async () => {
    const rows = await here().ask(spool("/nonexistent"));
    assert.deepEqual([...rows], []);
    assert.deepEqual(rows.errors, []);
    assert.equal(inspect(rows), "no rows");
  });

  test("a table that acts, or has no rows, is an error, and stops no other", async () => {
    const asking = here();
    const [first, second, users] = await Promise.all([
      asking.ask(acts()),
      asking.ask(wrong()),
      asking.users(),
    ]);
    assert.deepEqual(first.errors, [
      {
        host: name,
        message: "probe.acts acts, and a table may only ask: let it use target.query instead of target.run",
      },
    ]);
    assert.deepEqual(second.errors, [
      {
        host: name,
        message:
          "probe.wrong returned a row whose when is an object; a cell is text, a finite number, true, false, null, or a list of texts",
      },
    ]);
    assert.deepEqual(users.errors, []);
    assert.deepEqual(
      [...users].filter(({ uid }) => uid === 0).map((each) => [each.host, each.name]),
      [[name, "root"]],
    );
  });

  test("a host that is not reached is an error beside the rows of the others", async () => {
    const rows = await on([name, "web2.example.org"], via.local(), nowhere({})).facts();
    assert.deepEqual([...rows], []);
    assert.deepEqual(rows.errors, [
      { host: name, message: "via.nowhere(): there is no way" },
      { host: "web2.example.org", message: "via.nowhere(): there is no way" },
    ]);
    assert.equal(
      inspect(rows),
      `${name}: via.nowhere(): there is no way\nweb2.example.org: via.nowhere(): there is no way`,
    );
  });

  test("runs a command on each host, and has its exit code and output", async () => {
    const rows = await here().run("echo out; echo err >&2; exit 3");
    assert.deepEqual([...rows], [{ host: name, exit: 3, output: "out\nerr\n" }]);
  });

  test("is filtered, mapped and sorted before it is awaited", async () => {
    const asking = here();
    const root = asking.users().filter(({ uid }) => uid === 0);
    assert.equal(inspect(await root.map(({ name: user }) => user)), "[ 'root' ]");
    assert.equal((await asking.users().find(({ uid }) => uid === 0))?.name, "root");
    const [last] = await asking
      .users()
      .toSorted((one, other) => one.uid - other.uid)
      .slice(-1);
    assert.equal(last?.uid, Math.max(...(await asking.users().map(({ uid }) => uid))));
  });

  test("refuses what is no host or hop", () => {
    assert.throws(() => on(3 as never, cmd.single("true") as never), {
      name: "InvalidArguments",
      message:
        'on: expected a host from defhost, or a list of hosts; got number; expected a hop, such as via.ssh({ user: "root" })',
    });
  });

  test("a table cannot be deployed", async () => {
    const report = await deployThese(name, via.local(), spool("/tmp"));
    assert.equal(
      report.failed[0]?.failure?.message,
      "probe.spool is a table, which makes nothing hold; ask it: on(host).ask(probe.spool(…))",
    );
  });
});

describe("on a host", { ...needsMachines, concurrency: false }, () => {
  let rigged: Rig;
  before(async () => {
    rigged = await rig();
    await rigged.machine.run(
      "systemd-run --unit=dies false || true; until systemctl is-failed dies; do sleep 0.1; done; printf 'one\\ntwo\\n' >/root/lines; echo '5 4 * * 1 root /bin/true' >/etc/cron.d/probe",
    );
    await rigged.machine.run(`set -e
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=shop -addext subjectAltName=DNS:shop.example.org -days 10 -keyout /etc/probe.key -out /etc/probe.pem 2>/dev/null
cp /etc/probe.key /etc/probe-key.pem
printf 'nameserver 192.0.2.53\\nsearch example.org example.net\\n' >/etc/probe.resolv
rm -f /etc/resolv.conf; mv /etc/probe.resolv /etc/resolv.conf
printf '# shop\\nCmnd_Alias SHOP = /usr/bin/a, \\\\\\n  /usr/bin/b\\n%%shop ALL=(ALL) NOPASSWD: SHOP # all\\n' >/etc/sudoers.d/probe
echo '2026-01-31 12:00:00 install probe:amd64 <none> 1.0' >>/var/log/dpkg.log
printf '\\nStart-Date: 2026-01-31  11:59:59\\nCommandline: apt-get install probe\\nRequested-By: ada (1000)\\nEnd-Date: 2026-01-31  12:00:01\\n' >>/var/log/apt/history.log`);
  });
  after(() => rigged?.stop());

  const withAgent = async () => {
    assertOk(await rigged.deploy([prop("cmd.single", "true")]));
    await rigged.arrived();
  };

  for (const reached of ["over the shell", "through the agent"])
    test(`every table answers ${reached}, and nothing is touched`, async () => {
      const hops = reached === "over the shell" ? [rigged.ssh()] : [rigged.ssh(), via.agent()];
      // Without an agent that runs already, the shell is asked.
      if (hops.length > 1) await withAgent();
      const asking = on(name, hops as never);
      await asking.facts();
      const before = await snapshot(rigged.machine, { except: ownCaches });
      const asked = {
        authorizedKeys: asking.authorizedKeys(),
        certificates: asking.certificates("/etc/probe*.pem"),
        connections: asking.connections(),
        containers: asking.containers(),
        cron: asking.cron(),
        deployments: asking.deployments(),
        disks: asking.disks(),
        dns: asking.dns(),
        facts: asking.facts(),
        failed: asking.failed(),
        files: asking.files("/root/l*"),
        groups: asking.groups(),
        interfaces: asking.interfaces(),
        logins: asking.logins(),
        logs: asking.logs({ unit: "dies", lines: 3 }),
        mounts: asking.mounts(),
        owners: asking.owners("/etc/debconf.conf", "/root/lines"),
        packageHistory: asking.packageHistory(),
        packages: asking.packages(),
        ports: asking.ports(),
        processes: asking.processes(),
        read: asking.read("/root/lines"),
        reboots: asking.reboots(),
        routes: asking.routes(),
        services: asking.services(),
        sessions: asking.sessions(),
        sysctl: asking.sysctl("kernel.ostype"),
        sudoers: asking.sudoers(),
        timers: asking.timers(),
        touched: asking.touched("/root/lines", "/nonexistent"),
        units: asking.units("*.socket"),
        usage: asking.usage("/etc"),
        users: asking.users(),
      };
      for (const [table, rows] of Object.entries(asked)) assert.deepEqual((await rows).errors, [], table);
      assert.deepEqual(changedPaths(before, await snapshot(rigged.machine, { except: ownCaches })), []);

      const { machine } = rigged;
      assert.deepEqual(
        [...(await asked.owners)].map((each) => [each.path, each.package]),
        [["/etc/debconf.conf", "debconf"]],
      );
      assert.deepEqual(
        [...(await asked.touched)].map(({ path }) => path),
        ["/root/lines"],
      );
      assert.deepEqual([...(await asked.containers)], []);
      assert.deepEqual(
        [...(await asked.reboots)].map(({ ended, kernel }) => [ended, kernel]),
        [["still up", release()]],
      );
      const [certificate, ...noMore] = await asked.certificates;
      assert.deepEqual(
        [certificate?.path, certificate?.names, certificate?.subject, certificate?.days, noMore],
        ["/etc/probe.pem", ["shop.example.org"], "CN=shop", 9, []],
      );
      assert.deepEqual(
        [...(await asked.dns)].map(({ kind, value }) => [kind, value]),
        [
          ["nameserver", "192.0.2.53"],
          ["search", "example.org"],
          ["search", "example.net"],
        ],
      );
      assert.deepEqual(
        [...(await asked.sudoers)].filter(({ file: from }) => from === "/etc/sudoers.d/probe"),
        [
          {
            host: name,
            kind: "alias",
            who: "Cmnd_Alias",
            rule: "SHOP = /usr/bin/a, /usr/bin/b",
            file: "/etc/sudoers.d/probe",
          },
          {
            host: name,
            kind: "rule",
            who: "%shop",
            rule: "ALL=(ALL) NOPASSWD: SHOP",
            file: "/etc/sudoers.d/probe",
          },
        ],
      );
      assert.deepEqual(
        [...(await asked.deployments)].map(({ by, status, steps }) => [/@/.test(by), status, steps]),
        reached === "over the shell" ? [] : [[true, "changed", 1]],
      );
      const { host: _host, ...probe } =
        (await asked.packageHistory).find((each) => each.name === "probe") ?? {};
      assert.deepEqual(probe, {
        when: "2026-01-31T12:00:00.000Z",
        name: "probe",
        action: "install",
        from: null,
        to: "1.0",
        command: "apt-get install probe",
        by: "ada (1000)",
      });
      const [facts] = await asked.facts;
      assert.match(facts?.os ?? "", /^Debian GNU\/Linux 12/);
      assert.equal(facts?.name, "web1");
      assert.deepEqual(
        [...(await asked.read)].map(({ line, text }) => [line, text]),
        [
          [1, "one"],
          [2, "two"],
        ],
      );
      const [file] = await asked.files;
      assert.deepEqual(
        [file?.path, file?.type, file?.mode, file?.sizeBytes],
        ["/root/lines", "file", "0644", 8],
      );
      const [dead, ...others] = await asked.failed;
      assert.deepEqual([dead?.name, dead?.result, dead?.exit, others], ["dies.service", "exit-code", 1, []]);
      assert.ok((await asked.logs).some(({ message }) => message.includes("dies.service")));
      const listening = (await asked.ports).filter(({ port }) => port === 22);
      assert.deepEqual(
        [...listening].map(({ protocol, program }) => [protocol, program]),
        [
          ["tcp", "sshd"],
          ["tcp", "sshd"],
        ],
      );
      assert.ok((await asked.connections).some(({ port, program }) => port === 22 && program === "sshd"));
      assert.ok(
        (await asked.interfaces).some(({ addresses }) =>
          addresses.some((each) => each.startsWith(`${machine.address}/`)),
        ),
      );
      assert.ok((await asked.routes).some(({ destination }) => destination === "default"));
      const installed = (await machine.run("dpkg-query -W | wc -l")).trim();
      assert.equal((await asked.packages).length, Number(installed));
      const ssh = (await asked.services).find((unit) => unit.name === "ssh");
      assert.deepEqual([ssh?.state, ssh?.enabled, (ssh?.pid ?? 0) > 0], ["active", "enabled", true]);
      assert.equal((await asked.processes).find(({ pid }) => pid === 1)?.user, "root");
      assert.ok((await asked.units).every((unit) => unit.name.endsWith(".socket")));
      assert.deepEqual(
        [...(await asked.sysctl)].map(({ name: key, value }) => [key, value]),
        [["kernel.ostype", "Linux"]],
      );
      assert.equal((await asked.usage)[0]?.path, "/etc");
      assert.equal((await asked.users).find(({ uid }) => uid === 0)?.shell, "/bin/bash");
      assert.ok((await asked.groups).some((group) => group.name === "admin" && group.gid >= 1000));
      assert.ok(
        (await asked.authorizedKeys).some(({ user, type }) => user === "root" && type === "ssh-ed25519"),
      );
      const job = (await asked.cron).find(({ file: where }) => where === "/etc/cron.d/probe");
      assert.deepEqual([job?.when, job?.user, job?.command], ["5 4 * * 1", "root", "/bin/true"]);
      assert.equal((await asked.mounts).find(({ place }) => place === "/")?.type, "overlay");
    });

  test("a command runs through the agent", async () => {
    await withAgent();
    const rows = await on(name, rigged.ssh(), via.agent()).run("id -un; exit 4");
    assert.deepEqual([...rows], [{ host: name, exit: 4, output: "root\n" }]);
  });

  test("what is asked together takes one round trip more than one question", async () => {
    await withAgent();
    const proxy = await rigged.proxy(100);
    const asking = on(name, rigged.ssh("root", proxy), via.agent());
    await asking.facts();
    proxy.reset();
    await asking.users();
    const one = proxy.trips;
    proxy.reset();
    await Promise.all([asking.users(), asking.groups(), asking.facts(), asking.cron()]);
    assert.ok(proxy.trips <= one + 1, `${proxy.trips} round trips instead of ${one}`);
  });
});

test("a table of the user travels to the agent", { ...needsMachines }, async () => {
  const rigged = await rig();
  try {
    rigged.write({
      "properties/queue.ts": `import { deftable, schema } from "consfigurator";
/** The names below a directory. */
export const names = deftable({ name: "queue.names", args: schema.object({ directory: schema.path() }), call: (directory: string) => ({ directory }), rows: async ({ directory }, target) => ((await target.list(directory)) ?? []).map((name) => ({ name, node: process.version })) });
`,
    });
    assertOk(await rigged.deploy([prop("cmd.single", "mkdir -p /srv/q && touch /srv/q/a /srv/q/b")]));
    const rows = await on(name, rigged.ssh(), via.agent()).ask(prop("queue.names", "/srv/q") as never);
    assert.deepEqual(
      [...rows].map((row) => (row as unknown as { name: string }).name),
      ["a", "b"],
    );
  } finally {
    await rigged.stop();
  }
});
