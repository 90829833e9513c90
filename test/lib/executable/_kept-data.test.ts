/** The data that a host keeps so that it can repeat its deployment by itself. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { unapplied } from "../../../lib/combinators";
import { session } from "../../../lib/controller/session";
import { checked } from "../../../lib/controller/validate";
import { registerDataSource } from "../../../lib/data/register";
import * as source from "../../../lib/data/sources";
import { imageDumped } from "../../../lib/executable/imageDumped";
import { type DataSource, dataSources } from "../../../lib/model/data-source";
import { defhost, hosts } from "../../../lib/model/host";
import type { PropApp } from "../../../lib/model/property";
import { deploys } from "../../../lib/nested/deploys";
import * as via from "../../../lib/via";
import * as cron from "../../../properties/cron";
import * as file from "../../../properties/file";
import { debianStable } from "../../../properties/os";
import * as systemd from "../../../properties/systemd";
import { needsMachines } from "../../support/machines";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";

const LATEST = "/root/.cache/consfigurator/images/latest";
const DATA = "/root/.cache/consfigurator/images/data";
const bookworm = debianStable("bookworm", "amd64");
const MIB = 1024 * 1024;

describe("data that a host keeps to repeat its deployment", needsMachines(), () => {
  let on: Rig;
  const large = randomBytes(9 * MIB);
  before(async () => {
    on = await rig();
    has("token", "first");
    has("large", large);
  });
  afterEach(() => {
    dataSources.restore(new Map());
    hosts.restore(new Map());
  });
  after(() => on?.stop());

  const place = (iden2: string) => path.join(on.consfig, "data/_app", iden2);
  /** The file of a source that has the data (`_app`, `iden2`). */
  const has = (iden2: string, content: string | Buffer) => {
    mkdirSync(path.dirname(place(iden2)), { recursive: true });
    writeFileSync(place(iden2), content);
  };
  const registered = (more: Partial<DataSource> = {}) =>
    registerDataSource({ ...source.filesTree(path.join(on.consfig, "data")), ...more });
  const uploaded = (iden2: string) => file.secretUploaded("_app", iden2, `/etc/app/${iden2}`);
  const kept = () => readdirSync(path.join(on.machine.root, DATA));
  const read = (name: string) => readFileSync(path.join(on.machine.root, name));
  const nothingIsKept = async () => assert.equal(await on.machine.run(`ls -d ${DATA} 2>&1 || true`), absent);
  const absent = `ls: cannot access '${DATA}': No such file or directory\n`;
  const repeated = async (expected = 0) => {
    const { exit, stdout, stderr } = await on.machine.exec(`env -i ${LATEST}`);
    assert.equal(exit, expected, stdout + stderr);
    return stdout;
  };

  test("the agent comes during the first deployment: the data is there, small and large, and nobody else can read it", async () => {
    registered();
    assertOk(await on.deploy([bookworm, uploaded("token"), uploaded("large"), imageDumped()]));
    assert.equal(
      await on.machine.run(`stat -c '%a %U:%G %F' ${DATA} ${DATA}/*`),
      "700 root:root directory\n600 root:root regular file\n600 root:root regular file\n",
    );
    await on.machine.run("rm -r /etc/app");
    // Without sources, and without the controller.
    dataSources.restore(new Map());
    await session.connections.close();
    assert.match(await repeated(), /^changed: \/etc\/app\/token has the secret/);
    assert.equal(read("etc/app/token").toString(), "first");
    assert.ok(read("etc/app/large").equals(large));
    assert.equal(await on.machine.run("stat -c %a /etc/app/token"), "600\n");
    assert.match(await repeated(), /: unchanged/);
  });

  test("each deployment refreshes it, and one of the same data leaves it alone", async () => {
    registered();
    const applications = [bookworm, uploaded("token"), uploaded("large"), imageDumped()];
    const times = () => kept().map((name) => statSync(path.join(on.machine.root, DATA, name)).ctimeMs);
    const [image, before] = [read(LATEST), times()];
    assert.equal((await on.deploy(applications)).status, "unchanged");
    assert.deepEqual(times(), before);
    has("token", "second");
    assert.equal((await on.deploy(applications)).status, "changed");
    assert.deepEqual(read(LATEST), image);
    await on.machine.run("rm /etc/app/token");
    await repeated();
    assert.equal(read("etc/app/token").toString(), "second");
    assert.equal(times().filter((time) => !before.includes(time)).length, 1);
  });

  test("a deployment that failed does not refresh it: it belongs to the image", async () => {
    registered();
    has("token", "third");
    const report = await on.deploy([bookworm, uploaded("token"), imageDumped(), prop("probe.fails")]);
    assert.equal(report.ok, false);
    await repeated();
    assert.equal(read("etc/app/token").toString(), "second");
    assert.equal(kept().length, 2);
  });

  test("what is no longer needed is removed, and what somebody else removed is back", async () => {
    registered();
    const applications = [bookworm, uploaded("token"), imageDumped()];
    assertOk(await on.deploy(applications));
    assert.equal(kept().length, 1);
    await on.machine.run(`rm ${DATA}/*`);
    assert.match(
      await repeated(1),
      /: this host, which repeats its deployment by itself, does not keep \(_app, token\); it is left out with \{ without: … \}, or was not yet needed when this host was last deployed\n/,
    );
    assert.equal((await on.deploy(applications)).status, "changed");
    await repeated();
    assertOk(await on.deploy([bookworm, imageDumped()]));
    await nothingIsKept();
  });

  test("a directory that others can enter is refused, and gets no data", async () => {
    registered();
    await on.machine.run(`mkdir -m 755 ${DATA}`);
    const report = await on.deploy([bookworm, uploaded("token"), imageDumped()]);
    assert.equal(
      report.failed[0]?.failure?.message,
      `${DATA} must be a directory with mode 0700 of the user who deploys; other users can read what is in it: remove it, and deploy again`,
    );
    assert.deepEqual(kept(), []);
    await on.machine.run(`rmdir ${DATA}`);
  });

  for (const [name, repeats, start] of [
    ["cron.runsConfigurator", cron.runsConfigurator("daily"), "env -i /etc/cron.daily/consfigurator"],
    ["systemd.runsConfigurator", systemd.runsConfigurator("daily"), "systemctl start consfigurator.service"],
  ] as const)
    test(`${name}: repeats the deployment with its data; unapplied, nothing is left of it`, async () => {
      registered();
      assertOk(await on.deploy([bookworm, uploaded("token"), repeats]));
      await on.machine.run(`rm /etc/app/token; ${start}`);
      assert.equal(read("etc/app/token").toString(), "third");
      assertOk(await on.deploy([bookworm, unapplied(repeats)]));
      await nothingIsKept();
      assert.equal(await on.machine.run(`test -e ${LATEST} || echo gone`), "gone\n");
      assert.equal((await on.deploy([bookworm, unapplied(repeats)])).status, "unchanged");
    });

  test("one property that repeats it in place of the other keeps the data", async () => {
    registered();
    const applications = [
      bookworm,
      uploaded("token"),
      unapplied(cron.runsConfigurator("daily")),
      systemd.runsConfigurator("daily"),
    ];
    assertOk(await on.deploy([bookworm, uploaded("token"), cron.runsConfigurator("daily")]));
    assertOk(await on.deploy(applications));
    assert.equal((await on.deploy(applications)).status, "unchanged");
    assert.equal(kept().length, 1);
    await repeated();
    assertOk(await on.deploy([bookworm, unapplied(systemd.runsConfigurator("daily"))]));
    await nothingIsKept();
  });

  test("of two images, each has its data", async () => {
    registered();
    const other = imageDumped("/usr/local/bin/again");
    assertOk(await on.deploy([bookworm, uploaded("token"), imageDumped()]));
    assertOk(await on.deploy([bookworm, uploaded("large"), other]));
    assert.equal(kept().length, 2);
    await repeated();
    await on.machine.run("rm /etc/app/large; env -i /usr/local/bin/again");
    assert.ok(read("etc/app/large").equals(large));
    assertOk(await on.deploy([bookworm, unapplied(other)]));
    assert.equal(kept().length, 1);
    assertOk(await on.deploy([bookworm, unapplied(imageDumped())]));
    await nothingIsKept();
  });

  test("over a shell nothing repeats the deployment, and nothing is kept", async () => {
    registered();
    const report = await on.deploy([bookworm, uploaded("token"), cron.runsConfigurator("daily")], [on.ssh()]);
    assert.equal(report.status, "refused");
    assert.match(report.failure?.message ?? "", /imageDumped.* needs .*agent/);
    await nothingIsKept();
  });

  describe("a datum that must not be kept", () => {
    const forbids = () =>
      registered({ name: "source.vault()", kept: (iden1, iden2) => `${iden1}/${iden2}` !== "_app/token" });
    const complaint = (from: string, host = "web1.example.org") =>
      `${from} forbids that a host keeps (_app, token), which ${host} would do to repeat its deployment by itself; give { without: [["_app","token"]] } to the property that repeats it, or have the data from a source that allows it`;
    const refusal = async (applications: readonly PropApp[]) => {
      const report = await on.deploy(applications, [
        via.ssh({ user: "root", hop: "192.0.2.1" }),
        via.agent(),
      ]);
      assert.equal(report.status, "refused");
      return report.failure?.message ?? "";
    };

    test("is refused before connecting, with what to do", async () => {
      forbids();
      const applications = [bookworm, uploaded("token"), cron.runsConfigurator("daily")];
      assert.ok((await refusal(applications)).endsWith(complaint("source.vault()")));
      const host = defhost("web1.example.org", { deploy: [on.ssh(), via.agent()] }, ...applications);
      const { complaints } = await checked(host, session.consfig as NonNullable<typeof session.consfig>);
      assert.deepEqual(
        complaints.map(({ message }) => message),
        [complaint("source.vault()")],
      );
    });

    test("is refused when it would be typed, and for a host that another one deploys", async () => {
      registerDataSource(source.askpass({ iden1: /^_app$/ }));
      const applications = [bookworm, uploaded("token"), imageDumped()];
      assert.ok((await refusal(applications)).endsWith(complaint("source.askpass({ iden1: /^_app$/ })")));
      const inner = defhost("db1.example.org", { deploy: [on.ssh(), via.agent()] }, ...applications);
      assert.ok(
        (await refusal([deploys(inner)])).endsWith(
          complaint("source.askpass({ iden1: /^_app$/ })", "db1.example.org"),
        ),
      );
    });

    test("does not stand in the way of a deployment that is not repeated, or not with it", async () => {
      forbids();
      assertOk(await on.deploy([bookworm, uploaded("token"), unapplied(imageDumped())]));
      const without = { without: [["_app", "token"]] } as const;
      assertOk(
        await on.deploy([
          bookworm,
          uploaded("token"),
          uploaded("large"),
          cron.runsConfigurator("daily", without),
        ]),
      );
      assert.equal(kept().length, 1);
      assert.match(await repeated(1), /does not keep \(_app, token\); it is left out/);
      assertOk(await on.deploy([bookworm, unapplied(cron.runsConfigurator("daily", without))]));
      await nothingIsKept();
    });
  });
});
