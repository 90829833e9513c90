import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { agents } from "../../../lib/controller/agents";
import { deploy, deployPlans, rehearse } from "../../../lib/controller/deploy";
import type { Deployment } from "../../../lib/controller/deployment";
import { readPlan, writePlan } from "../../../lib/controller/plan-file";
import { session } from "../../../lib/controller/session";
import { defhost, type Host } from "../../../lib/model/host";
import type { MaybePropApp } from "../../../lib/model/property";
import type { Rehearsal } from "../../../lib/model/rehearsal";
import { fleetReport, type Report } from "../../../lib/model/report";
import { as } from "../../../lib/nested/deploys";
import * as via from "../../../lib/via";
import * as apt from "../../../properties/apt";
import * as cmd from "../../../properties/cmd";
import * as cron from "../../../properties/cron";
import * as etcDefault from "../../../properties/etcDefault";
import * as file from "../../../properties/file";
import * as group from "../../../properties/group";
import * as hostname from "../../../properties/hostname";
import * as hosts from "../../../properties/hosts";
import * as journald from "../../../properties/journald";
import * as kernelModule from "../../../properties/kernelModule";
import * as limits from "../../../properties/limits";
import { debianStable } from "../../../properties/os";
import * as ssh from "../../../properties/ssh";
import * as sshd from "../../../properties/sshd";
import * as sudo from "../../../properties/sudo";
import * as sysctl from "../../../properties/sysctl";
import * as systemd from "../../../properties/systemd";
import * as timezone from "../../../properties/timezone";
import * as user from "../../../properties/user";
import { limit } from "../../support/load";
import { needsMachines } from "../../support/machines";
import { outline } from "../../support/outline";
import { until } from "../../support/until";
import { assertOk, eventsOf, prop, type Rig, rig } from "../agent/_rig";
import { clonesOn, untouched } from "../connection/_untouched";

const repository = path.join(__dirname, "../../support/repository");
const key = readFileSync(path.join(repository, "shop.asc"), "utf8");

const ALL = Boolean(process.env["CONSFIGURATOR_TEST_ALL"]);

const publicKey =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z me@laptop";

const notices = (deployment: Deployment<Report>): (() => string[]) => {
  const events = eventsOf(deployment);
  return () => events.flatMap((event) => (event.kind === "notice" ? [event.text] : []));
};

/** What was not tried, without the service that gives test machines their network. */
const withoutNetwork = (rehearsal: Rehearsal | undefined): string[] | undefined =>
  rehearsal?.notTried.filter((each) => !each.startsWith("test-machine-network.service: "));

describe("a rehearsal on a real host", needsMachines(), () => {
  let on: Rig;
  let directory: string;
  before(async () => {
    directory = mkdtempSync(path.join(tmpdir(), "rehearsal-"));
    on = await rig();
    cpSync(repository, path.join(on.machine.root, "srv/repository"), { recursive: true });
    await on.machine.run("rm -f /etc/apt/sources.list; systemctl is-system-running --wait || true");
  });
  after(async () => {
    await on?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  let made = 0;
  const host = (more: readonly unknown[], ...applications: MaybePropApp[]): Host =>
    defhost(
      `rehearsed-${++made}.example.org`,
      { deploy: [on.ssh(), ...more] as never },
      debianStable("bookworm", "amd64"),
      ...applications,
    );

  /** What is rehearsed through an agent, and with CONSFIGURATOR_TEST_ALL over a shell: it takes many commands. */
  const further = (name: "a" | "b"): MaybePropApp[] => [
    name === "a" &&
      apt.hasRepository("shop", {
        uris: ["file:/srv/repository"],
        suites: ["bookworm"],
        components: ["main"],
        signedBy: key,
      }),
    name === "a" && apt.installed("shop"),
    as(`shop-${name}`, ssh.authorizedKeys(publicKey)),
    cron.userCrontabInstalled({}, `0 3 * * * echo ${name}`),
    group.hasOnlyMembers(`shop-${name}`, "admin"),
    sudo.allows(`shop-${name}`, { commands: ["/usr/bin/id"], password: false }),
    limits.configured(`shop-${name}`, { nofile: 4096 }),
    journald.configured({ MaxRetentionSec: name === "a" ? "2month" : "3month" }),
    sshd.configured({ ClientAliveInterval: name === "a" ? "60" : "90" }),
    // It takes as many commands as most of the others together.
    ALL && timezone.configured(name === "a" ? "Europe/London" : "Etc/UTC"),
    etcDefault.contains("cron", "EXTRA_OPTS", name),
    hosts.has("192.0.2.1", `${name}.example.org`),
    kernelModule.blacklisted(`pcspkr${name}`),
  ];

  const faithful = (name: "a" | "b", more: readonly unknown[]) =>
    test(`through ${name === "a" ? "an agent" : "a shell"}: nothing differs on the host, and the outcome is the rehearsed one, byte for byte`, {
      timeout: limit(240),
    }, async () => {
      const web1 = host(
        more,
        file.hasContent("/etc/motd", [`of ${name}`]),
        file.containsLines("/etc/hosts.allow", `# ${name}`),
        file.directoryExists(`/srv/${name}/deep`),
        file.symlinked({ from: `/srv/${name}/link`, to: "deep" }),
        file.hasMode("/etc/issue", name === "a" ? 0o600 : 0o640),
        name === "a" && file.doesNotExist("/etc/debian_version"),
        user.hasAccount(`shop-${name}`),
        user.hasGroups(`shop-${name}`, "adm"),
        as(`shop-${name}`, file.hasContent("notes", ["mine"])),
        systemd.hasUnit(
          `shop-${name}.service`,
          "[Service]\nExecStart=/bin/sleep 4711\n[Install]\nWantedBy=multi-user.target\n",
        ),
        systemd.enabled(`shop-${name}.service`),
        systemd.started(`shop-${name}.service`),
        systemd.restarted("cron.service"),
        hostname.configured(`web-${name}.example.org`),
        sysctl.set("net.ipv4.ip_forward", name === "a" ? "1" : "0"),
        ...(name === "a" || ALL ? further(name) : []),
        cmd.single(`getent passwd shop-${name} >/srv/${name}/made && systemctl is-active shop-${name}`),
      );
      const assertUntouched = await untouched(on);
      const rehearsed = await rehearse(web1);
      assertOk(rehearsed);
      await assertUntouched();

      const { rehearsal } = rehearsed;
      assert.deepEqual(withoutNetwork(rehearsal), []);
      assert.equal(rehearsal?.ok, true);
      assert.ok(rehearsal.memory > 0 && rehearsal.cloneMs > 0);
      const motd = rehearsal.changes.find(({ path }) => path === "/etc/motd");
      assert.ok(motd?.content?.form === "diff" && motd.content.diff.endsWith(`\n+of ${name}\n`));
      assert.deepEqual(
        rehearsal.units.filter(({ unit }) => /^(shop|cron)/.test(unit)),
        ["cron", `shop-${name}`].map((unit) => ({
          unit: `${unit}.service`,
          state: "active (running)",
          healthy: true,
        })),
      );

      const deployment = deploy(rehearsed);
      const said = notices(deployment);
      assertOk(await deployment);
      const [files = "", steps = ""] = said();
      assert.match(files, /^as rehearsed: (\d+) files of \d+(; different each time: [\w ,]+)?$/);
      assert.match(steps, /^as planned: (\d+) of \1 steps$/);
      assert.equal(await on.machine.run("hostname"), `web-${name}\n`);
    });

  faithful("a", [via.agent()]);

  test("where an agent runs already, the clone has one of its own; a service that does not run there fails; what a clone does not allow is not tried", async () => {
    assertOk(await deploy(host([via.agent()], cmd.single("true"))));
    const [supervisor] = await on.pids("supervisor");
    assert.ok(supervisor);
    const assertUntouched = await untouched(on);
    const { rehearsal, status } = await rehearse(
      host(
        [via.agent()],
        systemd.hasUnit("ends.service", "[Service]\nExecStart=/bin/false\n"),
        cmd.single("systemctl start ends.service; sleep 0.2; true"),
        sysctl.set("vm.swappiness", "7"),
      ),
    );
    assert.equal(status, "failed");
    assert.equal(rehearsal?.ok, false);
    assert.deepEqual(
      rehearsal?.units.filter(({ healthy }) => !healthy),
      [{ unit: "ends.service", state: "failed (failed, exit-code)", healthy: false }],
    );
    assert.deepEqual(withoutNetwork(rehearsal), [
      "vm.swappiness = 7: a clone has the kernel of its host, whose settings it cannot change",
    ]);
    assert.deepEqual(await on.pids("supervisor"), [supervisor]);
    assert.equal(
      (await agents()).some(({ hops }) => hops.some((hop) => hop.startsWith("via.clone("))),
      false,
      "it is not remembered",
    );
    await session.connections.close();
    await assertUntouched();
    await on.bare();
  });

  faithful("b", []);

  test("it can be deployed from a file, and shows nothing of a secret, whoever may read the file", async () => {
    on.write({
      "properties/secret.ts": `import { defprop, Secret, schema } from "consfigurator";
export const written = defprop({
  name: "secret.written",
  kind: "posix",
  args: schema.object({}),
  call: () => ({}),
  apply: (_args, target) => target.ensureContent("/etc/secret", new Secret("hidden"), { mode: 0o644 }),
});
`,
    });
    session.consfig?.refresh();
    const web1 = host(
      [],
      file.existsWithContent("/etc/from-file", ["secret"], { mode: 0o600 }),
      prop("secret.written"),
    );
    const report = await rehearse(web1);
    assert.deepEqual(
      report.rehearsal?.changes.filter(({ path }) => path === "/etc/secret"),
      [
        {
          kind: "file",
          change: "created",
          path: "/etc/secret",
          type: "file",
          content: { form: "secret", size: { to: 6 } },
          mode: { to: 0o644 },
        },
      ],
    );
    const plan = path.join(directory, "rehearsal");
    assert.equal(writePlan(plan, fleetReport([report], 0)), 1);
    for (const secret of ["secret\n", "hidden"]) {
      const checksum = createHash("sha256").update(secret).digest("hex");
      assert.equal(readFileSync(plan, "utf8").includes(checksum), false, "it tells nothing of secrets");
    }
    const deployment = deployPlans(readPlan(plan));
    const said: string[] = [];
    deployment.subscribe((event) => event.kind === "notice" && said.push(event.text));
    assert.ok((await deployment).ok);
    assert.deepEqual(said, ["as rehearsed: 2 files of 2", "as planned: 3 of 3 steps"]);
  });

  test("what has changed since stops its deployment; what others changed after it is a difference", async () => {
    const edited = await rehearse(host([], file.containsLines("/etc/edited", "rehearsed")));
    await on.machine.run("echo other >/etc/edited");
    const stopped = await deploy(edited);
    assert.deepEqual(outline(stopped.failed), [
      "failed /etc/edited contains rehearsed: NotAsPlanned: file.containsLines is not as planned: its changes are not the planned ones any more (/etc/edited modified); nothing was done here: make a new plan, and deploy that",
    ]);
    assert.equal(await on.machine.run("cat /etc/edited"), "other\n");

    // What the plan could not tell is held to what was seen in the clone.
    const held = await rehearse(
      host([], cmd.single("cat /etc/edited >/etc/depends"), file.containsLines("/etc/depends", "other")),
    );
    assert.deepEqual(
      held.steps.map(({ status }) => status),
      ["unchanged", "changed", "unchanged"],
    );
    await on.machine.run("echo second >/etc/edited");
    assert.deepEqual(outline((await deploy(held)).failed), [
      "failed /etc/depends contains other: NotAsPlanned: file.containsLines is not as planned: in the rehearsal it held, and now it would change something (/etc/depends modified); nothing was done here: make a new plan, and deploy that",
    ]);

    const differs = await rehearse(host([], cmd.single("cat /etc/edited >/etc/copied")));
    await on.machine.run("echo third >/etc/edited");
    const deployment = deploy(differs);
    const said = notices(deployment);
    assertOk(await deployment);
    assert.match(
      said()[0] ?? "",
      /^as rehearsed: 0 files of 1\n {2}\/etc\/copied: rehearsed: file 0644 0:0, content [0-9a-f]{8}…; now: file 0644 0:0, content [0-9a-f]{8}…$/,
    );
  });

  test("a host that cannot be cloned is planned, which says why, and can be deployed", async () => {
    const plain = defhost(
      "plain.example.org",
      { deploy: [on.ssh("plain")] as never },
      file.hasContent("planned", ["x"]),
    );
    const rehearsing = rehearse(plain);
    const said = notices(rehearsing);
    const report = await rehearsing;
    assert.deepEqual([report.plan, report.rehearsal, report.status], [true, undefined, "changed"]);
    assert.deepEqual(said(), [
      "plain.example.org cannot be rehearsed: needs root; add via.sudo() before it; this is its plan instead",
    ]);
    assertOk(await deploy(report));
    assert.equal(await on.machine.run("cat /home/plain/planned"), "x\n");
  });

  test("killed in the middle, or with no room for its changes, it fails, and nothing is left", async () => {
    const assertUntouched = await untouched(on);
    const killed = rehearse(host([], file.hasContent("/etc/killed", ["x"]), cmd.single("sleep 4714")));
    await until("the command", async () => (await on.machine.exec("pgrep -f 'sleep 471[4]'")).exit === 0);
    const [name = ""] = await clonesOn(on);
    await on.machine.run(`kill -9 ${name.slice("clone.".length)}`);
    const report = await killed;
    assert.deepEqual([report.status, report.rehearsal], ["failed", undefined]);
    await session.connections.close();
    // The next one removes the directory of the killed one. It has no room for its changes, so a step fails there.
    const rehearsing = rehearse(
      host(
        [],
        cmd.single("until [ -e /tmp/go ]; do sleep 0.1; done"),
        cmd.single("head -c 30000000 /dev/zero >/srv/large"),
      ),
    );
    await until("the command", async () => (await on.machine.exec("pgrep -f 'tmp/g[o]'")).exit === 0);
    const holder = (await clonesOn(on)).find((each) => each !== name)?.slice("clone.".length) ?? "";
    await on.machine.run(
      `u=$(pgrep -P ${holder} unshare) && i=$(pgrep -P $u)
       nsenter -t $u -m mount -o remount,size=20M /run/consfigurator/clone.${holder} && nsenter -t $i -m -p touch /tmp/go`,
    );
    const { failed } = await rehearsing;
    assert.match(failed[0]?.failure?.message ?? "", /No space left on device$/);
    await session.connections.close();
    await assertUntouched();
  });

  test("two at once, and one during a deployment, do not see each other", {
    timeout: limit(120),
  }, async () => {
    const busy = deploy(host([], cmd.single("until [ -e /srv/go ]; do sleep 0.1; done; rm /srv/go")));
    await until("the command", async () => (await on.machine.exec("pgrep -f 'srv/g[o]'")).exit === 0);
    const one = (name: string) =>
      rehearse(host([], file.hasContent("/etc/twice", [name]), cmd.single(`grep -q ${name} /etc/twice`)));
    const both = await Promise.all([one("one"), one("two")]);
    for (const report of both) assertOk(report);
    assert.deepEqual(
      both.map(({ rehearsal }) => rehearsal?.changes.map(({ path }) => path)),
      [["/etc/twice"], ["/etc/twice"]],
    );
    await on.machine.run("touch /srv/go");
    assertOk(await busy);
    assert.equal(await on.machine.run("ls /etc/twice 2>/dev/null || true"), "");
  });

  test("cancelled while its clone boots, it ends at once, and the clone with it", async () => {
    await on.machine.run(
      "printf '[Service]\\nType=oneshot\\nExecStart=/bin/sleep 600\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/slow.service && systemctl enable slow.service",
    );
    const assertUntouched = await untouched(on);
    const rehearsing = rehearse(host([], cmd.single("true")));
    await until("the start", async () => (await on.machine.exec("pgrep -f 'sleep 60[0]'")).exit === 0);
    rehearsing.cancel();
    const report = await rehearsing;
    assert.equal(report.status, "cancelled");
    await session.connections.close();
    await assertUntouched();
    await on.machine.run("systemctl disable slow.service && rm /etc/systemd/system/slow.service");
  });
});
