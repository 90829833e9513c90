import assert from "node:assert/strict";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as os from "../../properties/os";
import * as pkgng from "../../properties/pkgng";
import { type Recording, record } from "../support/recorded";

const list = "pkg query -a %n %v %o";
const nginx = "nginx 1.26.2_1,3 www/nginx\n";
const pkg = "pkg 1.21.3 ports-mgmt/pkg\n";
const pcre = "pcre2 10.43 devel/pcre2\n";

/** A system on which nginx can be installed, which needs pcre2. */
const system: Recording = {
  manual:
    "pkg(7), pkg(8), pkg-query(8), pkg-install(8), pkg-delete(8), pkg-autoremove(8), pkg-upgrade(8), pkg-clean(8) of FreeBSD 14.1 with pkg 1.21",
  states: {
    // pkg(7): the base system has only a stand-in, which fails with -N.
    fresh: {
      "pkg -N": { exit: 1, stderr: "pkg: pkg is not installed\n" },
      "pkg install -y nginx": {
        then: "installed",
        stdout: "Bootstrapping pkg …\n[1/2] Installing pcre2-10.43...\n",
      },
    },
    installed: {
      "pkg -N": {},
      [list]: { stdout: nginx + pcre + pkg },
      "pkg delete -y nginx": { then: "orphans", stdout: "[1/1] Deinstalling nginx-1.26.2_1,3...\n" },
      "pkg delete -y www/nginx": { then: "orphans", stdout: "[1/1] Deinstalling nginx-1.26.2_1,3...\n" },
      // pkg-upgrade(8): a dry run fails when there is something to upgrade.
      "pkg upgrade -q -n -U": {
        exit: 1,
        stdout: "Installed packages to be UPGRADED:\n\tnginx: 1.26.2_1,3 -> 1.26.3,3\n",
      },
      "pkg upgrade -y -U": { then: "upgraded" },
    },
    upgraded: {
      "pkg -N": {},
      [list]: { stdout: nginx.replace("1.26.2_1,3", "1.26.3,3") + pcre + pkg },
      "pkg upgrade -q -n -U": {},
    },
    orphans: {
      "pkg -N": {},
      [list]: { stdout: pcre + pkg },
      "pkg autoremove -q -n": { stdout: "Installed packages to be REMOVED:\n\tpcre2: 10.43\n" },
      "pkg autoremove -y": { then: "clean" },
    },
    clean: {
      "pkg -N": {},
      [list]: { stdout: pkg },
      "pkg autoremove -q -n": {},
      "pkg clean -y": { stdout: "Nothing to do.\n" },
      "pkg clean -y -a": {},
      "pkg update": {
        stdout:
          "Updating FreeBSD repository catalogue...\nFreeBSD repository is up to date.\nAll repositories are up to date.\n",
      },
      "pkg install -y no-such-package": {
        exit: 1,
        stderr:
          "pkg: No packages available to install matching 'no-such-package' have been found in the repositories\n",
      },
    },
  },
};

/** A host with FreeBSD; what is asked once in a deployment is no part of these tests. */
const onFreebsd = (application: PropApp): PropApp =>
  eseqprops(os.freebsdRelease("14.1", "amd64", { from: "debian" }), application);

test("packages of FreeBSD", (t) =>
  onBothTargets(t, async ({ apply }) => {
    const recorded = record(t, system);
    const becomes = async (application: PropApp): Promise<void> => {
      assert.equal(await apply(onFreebsd(application)), "changed", application.property);
      assert.equal(await apply(onFreebsd(application)), "unchanged", application.property);
    };
    await becomes(pkgng.installed("nginx"));
    assert.equal(await apply(onFreebsd(pkgng.installed(["www/nginx", ["pcre2"]]))), "unchanged");
    await becomes(pkgng.upgraded());
    recorded.set("installed");
    await becomes(pkgng.deleted("www/nginx", "no-such-package"));
    await becomes(pkgng.autoremoved());
    for (const each of [pkgng.cacheCleaned(), pkgng.cacheEmptied(), pkgng.updated()])
      assert.equal(await apply(onFreebsd(each)), "unchanged");
    await assert.rejects(apply(onFreebsd(pkgng.installed("no-such-package"))), {
      name: "RunFailed",
      message: /No packages available to install matching 'no-such-package'/,
    });
  }));

test("names that pkg would take for something else are refused", () => {
  for (const name of ["-y", "nginx*", "a b", "www/"])
    assert.throws(() => pkgng.installed(name), {
      name: "InvalidArguments",
      message: `pkgng.installed: args.names[0] is ${JSON.stringify(name)}; it must be a package, such as "nginx" or "www/nginx"`,
    });
});

test("another system is refused before connecting", () => {
  assert.throws(
    () =>
      prepare(
        { name: "web1.example.org" },
        eseqprops(os.debianStable("bookworm", "amd64"), pkgng.upgraded()),
      ),
    /it needs a freebsd system, but web1\.example\.org runs debianStable bookworm \(amd64\)/,
  );
});
