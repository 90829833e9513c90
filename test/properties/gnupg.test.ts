/** Keys of gpg, from the data of the consfig, on a real host. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { unapplied } from "../../lib/combinators";
import { plan } from "../../lib/controller/deploy";
import { registerDataSource } from "../../lib/data/register";
import { filesTree } from "../../lib/data/sources";
import { dataSources } from "../../lib/model/data-source";
import type { Hop } from "../../lib/model/hop";
import { defhost, hosts } from "../../lib/model/host";
import type { PropApp } from "../../lib/model/property";
import * as via from "../../lib/via";
import * as gnupg from "../../properties/gnupg";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { limit } from "../support/load";
import { needsMachines } from "../support/machines";

const other = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88";

test("what is no fingerprint or level is refused", () => {
  assert.throws(() => gnupg.secretKeyImported("0EBFCD88"), { name: "InvalidArguments" });
  assert.throws(() => gnupg.publicKeyImported(other, { trustLevel: 7 }), {
    message: /^gnupg\.publicKeyImported: args\.trustLevel is 7; /,
  });
  const spaced = gnupg.secretKeyImported("9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88");
  assert.deepEqual(spaced.args, { fingerprint: other });
});

const INSTALL = `export DEBIAN_FRONTEND=noninteractive
install="apt-get -qqy -o Dpkg::Use-Pty=0 install --no-install-recommends gnupg"
$install >/tmp/install.log 2>&1 || { apt-get -qq update; $install >/tmp/install.log 2>&1; } || { tail -5 /tmp/install.log; exit 1; }`;

describe("keys of gpg", { ...needsMachines(), timeout: limit(300) }, () => {
  let on: Rig;
  let home: string;
  const keys: Record<string, string> = {};
  const gpg = (...words: string[]) =>
    execFileSync("gpg", ["--homedir", home, "--batch", "--quiet", "--passphrase", "", ...words], {
      encoding: "utf8",
    });
  const put = (iden1: string, key: string, armored: string) =>
    on.write({ [`data/${iden1}/${key}`]: armored });
  const exported = (key: string) => put("--pgp-pubkey", key, gpg("--armor", "--export", key));
  before(async () => {
    on = await rig();
    await on.machine.run(INSTALL, { timeout: limit(240) });
    home = mkdtempSync("/tmp/gpg-");
    for (const algorithm of ["ed25519", "rsa2048", "dsa2048"]) {
      gpg("--quick-generate-key", `${algorithm} <${algorithm}@example.org>`, algorithm, "default");
      const key = /^fpr:+([0-9A-F]+):$/m.exec(gpg("--with-colons", "--list-keys", algorithm))?.[1] ?? "";
      keys[algorithm] = key;
      exported(key);
      put("--pgp-seckey", key, gpg("--armor", "--export-secret-keys", key));
    }
    put("--pgp-pubkey", other, gpg("--armor", "--export"));
    put("--pgp-seckey", other, "no key");
    registerDataSource(filesTree(path.join(on.consfig, "data")));
  });
  after(async () => {
    dataSources.restore(new Map());
    hosts.restore(new Map());
    execFileSync("gpgconf", ["--homedir", home, "--kill", "all"]);
    rmSync(home, { recursive: true, force: true });
    await on?.stop();
  });

  const listed = async (what: string) =>
    [...(await on.machine.run(`gpg --batch --with-colons ${what}`)).matchAll(/^fpr:+([0-9A-F]+):$/gm)].map(
      ([, key]) => key,
    );

  for (const kind of ["agent", "shell"] as const) {
    const hops = () => [on.ssh(), ...(kind === "agent" ? [via.agent()] : [])];
    const status = async (...applications: PropApp[]) => {
      const report = await on.deploy(applications, hops());
      assertOk(report);
      return report.status;
    };
    const planned = async (application: PropApp) => {
      const found = await plan(defhost("web1.example.org", {}, application), hops() as unknown as Hop);
      hosts.restore(new Map());
      return found.steps[0]?.plan?.answer;
    };

    test(`${kind}: a public key is imported, trusted, updated and deleted`, async () => {
      await on.machine.run("gpgconf --kill all; rm -rf /root/.gnupg");
      const key = keys["ed25519"] ?? "";
      const importing = gnupg.publicKeyImported(key);
      assert.equal(await planned(importing), "would change");
      assert.equal(await on.machine.run("ls -A /root | grep gnupg || true"), "", "a plan makes no keyring");
      assert.equal(await status(importing), "changed");
      assert.equal(await status(importing), "unchanged");
      assert.equal(await planned(importing), "holds");
      const trusting = gnupg.publicKeyImported(key, { trustLevel: "full" });
      assert.equal(await status(trusting), "changed");
      assert.equal(await status(trusting, gnupg.publicKeyImported(key, { trustLevel: 5 })), "unchanged");
      assert.match(await on.machine.run("gpg --export-ownertrust"), new RegExp(`^${key}:5:$`, "m"));
      gpg("--quick-add-uid", key, `more of ${kind} <more@example.org>`);
      exported(key);
      assert.equal(await planned(importing), "would change");
      assert.equal(await status(importing), "changed");
      assert.match(await on.machine.run(`gpg --list-keys ${key}`), new RegExp(`more of ${kind}`));
      assert.equal(await status(unapplied(importing)), "changed");
      assert.equal(await status(unapplied(importing)), "unchanged");
      assert.deepEqual(await listed("--list-keys"), []);
    });

    for (const algorithm of ["ed25519", "rsa2048", "dsa2048"])
      test(`${kind}: a secret key of ${algorithm} is imported and deleted`, async () => {
        const key = keys[algorithm] ?? "";
        const importing = gnupg.secretKeyImported(key);
        assert.equal(await planned(importing), "would change");
        assert.equal(await status(importing), "changed");
        assert.equal(await status(importing), "unchanged");
        assert.equal((await listed(`--list-secret-keys ${key}`))[0], key);
        assert.equal(await status(unapplied(importing)), "changed");
        assert.equal(await status(unapplied(importing)), "unchanged");
        assert.equal((await listed(`--list-keys ${key}`))[0], key, "the public key stays");
      });

    test(`${kind}: other data is refused, and so is a host without gpg`, async () => {
      const failure = async (application: PropApp) =>
        (await on.deploy([application], hops())).failed[0]?.failure?.message;
      assert.equal(
        await failure(gnupg.publicKeyImported(other)),
        `the data (--pgp-pubkey, ${other}) must be the key ${other} alone, and has ${Object.values(keys).join(", ")}; correct it where it comes from`,
      );
      assert.equal(
        await failure(gnupg.secretKeyImported(other)),
        `the data (--pgp-seckey, ${other}) must be the key ${other} alone, and is not a key in ASCII armor; correct it where it comes from`,
      );
      await on.machine.run("mv /usr/bin/gpg /usr/bin/gpg.away");
      try {
        assert.equal(
          await failure(gnupg.secretKeyImported(keys["rsa2048"] ?? "")),
          'gpg is not installed; put apt.installed("gnupg"), or what installs it there, before this property',
        );
      } finally {
        await on.machine.run("mv /usr/bin/gpg.away /usr/bin/gpg");
      }
    });
  }
});
