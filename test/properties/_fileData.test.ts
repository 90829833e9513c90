/** Data of the consfig on a real host, through an agent and over a shell: it arrives, is compared, and is seen nowhere else. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { unapplied } from "../../lib/combinators";
import { plan } from "../../lib/controller/deploy";
import { registerDataSource } from "../../lib/data/register";
import { filesTree } from "../../lib/data/sources";
import { dataSources } from "../../lib/model/data-source";
import { defhost } from "../../lib/model/host";
import * as via from "../../lib/via";
import * as certificate from "../../properties/certificate";
import * as file from "../../properties/file";
import * as os from "../../properties/os";
import { assertOk, eventsOf, type Rig, rig } from "../lib/agent/_rig";
import { needsMachines } from "../support/machines";

test("dataCachePurged removes what another Consfigurator has stored", (t) =>
  onBothTargets(t, async ({ apply, applyAgain, target }) => {
    const cache = file.dataCachePurged();
    assert.equal(await apply(cache), "unchanged");
    for (const name of ["data/_app/token/1", "images/latest"])
      await target.ensureContent(`.cache/consfigurator/${name}`, "x");
    assert.equal(await apply(cache), "changed");
    assert.deepEqual(await target.list(".cache/consfigurator"), ["images"]);
    await applyAgain(cache);
  }));

describe("data for hosts", needsMachines(), () => {
  let on: Rig;
  let scratch: string;
  const secret = `canary-${randomBytes(12).toString("hex")}`;
  before(async () => {
    on = await rig();
    scratch = mkdtempSync(path.join(tmpdir(), "data-"));
    on.write({
      "data/_app/token": secret,
      "data/_ca/certificate": "a certificate\n",
      "templates/shop": "token <%= it.token %> of <%= it.name %>\n",
      "data/web1.example.org/etc/app/own.key": `${secret} of web1`,
    });
    registerDataSource(filesTree(path.join(on.consfig, "data")));
  });
  after(async () => {
    dataSources.restore(new Map());
    await on?.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  for (const kind of ["agent", "shell"] as const) {
    const hops = () => (kind === "agent" ? [on.ssh(), via.agent()] : [on.ssh()]);
    const properties = [
      file.dataUploaded("_ca", "certificate", "/etc/app/ca.pem"),
      file.secretUploaded("_app", "token", "/etc/app/deep/token"),
      file.hostSecretUploaded("/etc/app/own.key"),
    ];

    test(`${kind}: are planned, uploaded with their modes, and left alone when they hold`, async () => {
      await on.machine.run("rm -rf /etc/app");
      const host = defhost("web1.example.org", { deploy: hops() }, ...properties);
      const planned = await plan(host);
      assert.deepEqual(
        planned.steps.map(({ plan: found }) => found?.answer),
        ["would change", "would change", "would change", "would change"].slice(0, planned.steps.length),
      );
      assert.equal(await on.machine.run("ls /etc/app 2>/dev/null || true"), "");
      const deployment = on.deploy(properties, hops());
      const events = eventsOf(deployment);
      assertOk(await deployment);
      assert.equal(
        await on.machine.run(
          "cd /etc/app; stat -c '%a %U %n' ca.pem deep/token own.key; cat ca.pem deep/token own.key",
        ),
        `644 root ca.pem\n600 root deep/token\n600 root own.key\na certificate\n${secret}${secret} of web1`,
      );
      assert.ok(!JSON.stringify(events).includes(secret));
      assert.ok(JSON.stringify(events).includes("+a certificate"), "what everyone may read is shown");
      assert.equal((await on.deploy(properties, hops())).status, "unchanged");
      await on.machine.run("chmod 644 /etc/app/deep/token; printf x >>/etc/app/own.key");
      const again = await on.deploy(properties, hops());
      assertOk(again);
      assert.equal(again.changed.length, 2);
      assert.equal(
        await on.machine.run("stat -c %a /etc/app/deep/token; cat /etc/app/own.key"),
        `600\n${secret} of web1`,
      );
    });

    test(`${kind}: a secret is in no journal, log, cache or process list`, async () => {
      // What is still on its way changes what is searched.
      if (kind === "agent") await on.arrived();
      const patterns = path.join(scratch, "patterns");
      writeFileSync(patterns, secret);
      await on.machine.run("journalctl --sync; rm -r /etc/app");
      const searched = [on.machine.upper, process.env["XDG_STATE_HOME"] ?? scratch];
      const options = ["-r", "-a", "-l", "-F", "-s", "-f", patterns, ...searched];
      const found = (() => {
        try {
          return execFileSync("grep", options, { encoding: "utf8" });
        } catch (error) {
          assert.equal((error as { status?: number }).status, 1, String(error));
          return "";
        }
      })();
      assert.equal(found, "");
    });

    test(`${kind}: a template with a secret is filled in on the host, and shown nowhere`, async () => {
      const template = path.join(on.consfig, "templates/shop");
      const data = { token: ["_app", "token"] } as const;
      const shop = file.hasTemplate("/etc/shop.conf", template, { name: kind }, { data });
      const deployment = on.deploy([shop], hops());
      const events = eventsOf(deployment);
      const report = await deployment;
      assertOk(report);
      assert.equal(report.status, "changed");
      assert.ok(!JSON.stringify(events).includes(secret));
      assert.ok(!JSON.stringify(report).includes(secret));
      assert.equal(
        await on.machine.run("stat -c %a /etc/shop.conf; cat /etc/shop.conf"),
        `600\ntoken ${secret} of ${kind}\n`,
      );
      assert.equal((await on.deploy([shop], hops())).status, "unchanged");
      await on.machine.run("rm /etc/shop.conf");
    });

    test(`${kind}: an authority that is data signs on the host, and its key stays nowhere`, async () => {
      const made = await on.machine.run(
        "cd /run && openssl req -x509 -newkey ed25519 -nodes -keyout key -out ca -subj /CN=ours -days 99 2>/dev/null; cat key; rm key",
      );
      on.write({ "data/_ca/key": made, "data/_ca/own": await on.machine.run("cat /run/ca") });
      const by = { certificate: ["_ca", "own"], key: ["_ca", "key"] } as const;
      const debian = os.debianStable("bookworm", "amd64");
      const issued = certificate.issued("db", { by, names: ["db.example.org"] });
      assertOk(await on.deploy([debian, issued], hops()));
      assert.equal(
        await on.machine.run("openssl verify -CAfile /run/ca /etc/ssl/certs/db.pem"),
        "/etc/ssl/certs/db.pem: OK\n",
      );
      assert.equal((await on.deploy([debian, issued], hops())).status, "unchanged");
      const line = made.split("\n")[1] ?? "";
      assert.equal((await on.machine.exec(`grep -rlF -- '${line}' /etc /root /var /tmp /run`)).stdout, "");
      assertOk(await on.deploy([debian, unapplied(issued)], hops()));
    });

    test(`${kind}: unapplied, a secret is gone`, async () => {
      const one = file.secretUploaded("_app", "token", "/etc/app-token");
      assertOk(await on.deploy([one], hops()));
      assertOk(await on.deploy([unapplied(one)], hops()));
      assert.equal(await on.machine.run("ls /etc/app-token 2>/dev/null || true"), "");
    });
  }

  test("a host whose data no source has is refused before connecting", async () => {
    const report = await on.deploy([file.secretUploaded("_app", "missing", "/etc/x")], [on.ssh()]);
    assert.equal(report.status, "refused");
    assert.equal(
      report.failure?.message,
      `web1.example.org: no data source has (_app, missing); source.filesTree('${path.join(on.consfig, "data")}'): put it into ${path.join(on.consfig, "data/_app/missing")}`,
    );
  });
});
