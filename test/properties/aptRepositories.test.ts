import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import { deploys } from "../../lib/nested/deploys";
import { makeChildHost } from "../../lib/nested/make-host";
import * as via from "../../lib/via";
import * as apt from "../../properties/apt";
import * as os from "../../properties/os";
import { needsMachines } from "../support/machines";
import {
  bootSides,
  holds,
  holdsAfterwards,
  isUndone,
  type Side,
  type Sides,
  succeeds,
} from "../support/sides";

const fixture = path.join(__dirname, "../support/repository");
const key = readFileSync(path.join(fixture, "shop.asc"), "utf8");
const otherKey = readFileSync(path.join(fixture, "other.asc"), "utf8");
const fingerprint = "76C195A0DC5EBF2E4A12D3B03BC781B23781FA5E";
const uris = ["file:/srv/repository"];
const components = ["main"];

const bookworm = os.debianStable("bookworm", "amd64");
/** The message with which a host with these properties is refused before connecting, without the place. */
const refusal = (...applications: PropApp[]): string | undefined => {
  try {
    prepare({ name: "web1.example.org" }, eseqprops(...applications));
  } catch (error) {
    return (error as Error).message
      .replace(/ at \S+:\d+:\d+/g, "")
      .replace(/-----BEGIN[^']*/g, "…")
      .split("\n")[0];
  }
  return undefined;
};

test("a file name that apt passes over is refused", () => {
  for (const name of ["", "a b", "a/b", ".hidden", "ä"]) {
    const refused = {
      name: "InvalidArguments",
      message: `apt.hasRepository: args.name is ${JSON.stringify(name)}; it must be a name of letters, digits, "_", "-" and ".", such as "docker"`,
    };
    assert.throws(() => apt.hasRepository(name, { uris, suites: ["./"] }), refused);
  }
});

test("a source without a source in it is refused before connecting", () => {
  for (const content of ["", "# deb is a format", ["http://deb.debian.org/debian bookworm main"]])
    assert.match(
      refusal(bookworm, apt.additionalSources("x", content)) ?? "",
      /: there is no source in the content; give lines such as "deb http:\/\/deb.debian.org\/debian bookworm main", or stanzas as in deb822, which begin with "Types: deb"$/,
    );
  for (const content of ["deb [arch=amd64] http://a.example.org x main", "# deb http://a.example.org x main"])
    assert.equal(refusal(bookworm, apt.additionalSources("x", content)), undefined);
});

test("what apt would refuse in a repository is refused before connecting", () => {
  const repository = (more: Partial<apt.Repository>) =>
    refusal(bookworm, apt.hasRepository("shop", { uris, suites: ["bookworm"], ...more }))?.replace(
      /^.*?\): /,
      "",
    );
  assert.equal(
    repository({}),
    'the suite "bookworm" needs components, such as ["main"]; a path needs none, and ends with "/"',
  );
  assert.equal(
    repository({ suites: ["./"], components }),
    '"./" is a path, since it ends with "/", so it has no components; leave out components',
  );
  assert.equal(
    repository({ components, fingerprint }),
    "fingerprint is compared with a key in signedBy, but there is none",
  );
  assert.equal(
    repository({ components, signedBy: otherKey, fingerprint }),
    `the key has the fingerprint CD579386F71B2564C891EDCF4371919F7831CC3F, but ${fingerprint} is expected; do not use it before you know why`,
  );
  assert.equal(
    repository({ components, signedBy: key.replace(/^mDME.*\n/m, "") }),
    "the key is damaged: no public key can be read from it; export it anew with `gpg --armor --export`",
  );
  const spaced = fingerprint.replace(/(.{4})/g, "$1 ").toLowerCase();
  assert.equal(repository({ components, signedBy: key, fingerprint: spaced }), undefined);
});

test("a priority that is no number, and a suite that is none, are refused", () => {
  assert.throws(() => apt.suitesAvailablePinned({ testing: 1.5 }), {
    name: "InvalidArguments",
    message:
      "apt.suitesAvailablePinned: args.priorities.testing is 1.5; it must be a priority, such as 100 or -10",
  });
  assert.throws(() => apt.suitesAvailablePinned({ "Testing!": 1 }), { name: "InvalidArguments" });
  assert.throws(() => apt.pinned("a b", { testing: 1 }), {
    name: "InvalidArguments",
    message:
      'apt.pinned: args.preferences[0] is "a b"; it must be a package, such as "git", a glob such as "linux-*", or a /regular expression/',
  });
});

test("a system without these is refused before connecting", () => {
  const freebsd = os.freebsdRelease("14.1", "amd64");
  const sid = os.debianUnstable("amd64");
  assert.equal(
    refusal(freebsd, apt.pinned("git", { testing: 1 })),
    "web1.example.org: apt.pinned('git', { testing: 1 }): it needs a debian system, but web1.example.org runs freebsdRelease 14.1 (amd64)",
  );
  assert.equal(
    refusal(sid, apt.backportsInstalled("git")),
    "web1.example.org: apt.backportsInstalled('git'): it needs a debianStable system, but web1.example.org runs debianUnstable (amd64)",
  );
  assert.match(refusal(freebsd, apt.unattendedUpgrades()) ?? "", /it needs a debianlike system/);
  assert.match(refusal(freebsd, apt.hasKeyring("shop", key)) ?? "", /it needs a debianlike system/);
});

test("a host inside another uses its mirrors and its proxy", () => {
  const inside = (...applications: PropApp[]) =>
    deploys(makeChildHost({}, bookworm, ...applications), via.chroot("/srv/c"));
  const proxy = apt.proxy("http://proxy.example.org:3142");
  assert.equal(refusal(bookworm, proxy, inside(apt.usesParentProxy(), apt.usesParentMirrors())), undefined);
  assert.match(
    refusal(bookworm, inside(apt.usesParentProxy()), proxy) ?? "",
    /web1\.example\.org, which contains this host, declares no proxy; put apt\.proxy\("http:\/\/proxy\.example\.org:3142"\) into it before the property that deploys this host$/,
  );
  assert.equal(
    refusal(bookworm, apt.usesParentMirrors()),
    "web1.example.org: apt.usesParentMirrors(): web1.example.org is inside no other host; only hosts made with makeChildHost are. Use apt.mirrors here",
  );
});

describe("repositories and pins on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
    for (const { machine } of sides.each) {
      cpSync(fixture, path.join(machine.root, "srv/repository"), {
        recursive: true,
        preserveTimestamps: true,
      });
      // Only what these tests are about: nothing is downloaded for an update.
      await machine.run("rm -f /etc/apt/sources.list.d/*; : >/etc/apt/sources.list");
    }
  });
  after(() => sides?.stop());

  const repository = apt.hasRepository("shop", {
    uris,
    suites: ["bookworm"],
    components,
    signedBy: key,
    fingerprint,
  });
  const version = async ({ machine }: Side) =>
    (await machine.exec("cat /usr/share/shop/version")).stdout.trim();

  test("a repository with its key is used, and leaves nothing behind", () =>
    sides.both(async (side) => {
      await holdsAfterwards(side, repository);
      await holdsAfterwards(side, apt.installed("shop"));
      assert.equal(await version(side), "shop 1.0-1");
      assert.equal(
        await side.machine.run("cat /etc/apt/sources.list.d/shop.sources"),
        "Types: deb\nURIs: file:/srv/repository\nSuites: bookworm\nComponents: main\nSigned-By: /etc/apt/keyrings/shop.asc\n",
      );
      await holdsAfterwards(side, apt.removed("shop"));
      await isUndone(side, repository);
      assert.equal(
        (await side.machine.exec("ls /etc/apt/keyrings /etc/apt/sources.list.d")).stdout.match(/shop/),
        null,
      );
      assert.equal((await side.machine.exec("apt-cache policy shop")).stdout, "");
    }));

  test("a repository with another key is not used, and an update says so", () =>
    sides.both(async (side) => {
      const wrong = apt.hasRepository("shop", { uris, suites: ["bookworm"], components, signedBy: otherKey });
      const { failures } = await side.apply(wrong);
      assert.match(
        failures[0]?.message ?? "",
        /^apt could not update the lists of every source: .*GPG error/,
      );
      // The update is owed until it succeeds.
      await succeeds(side.apply(repository));
      await isUndone(side, repository);
    }));

  test("sources in either format, and a key that all sources trust", () =>
    sides.both(async (side) => {
      const trusted = apt.trustsKey("shop", key);
      await holdsAfterwards(side, trusted);
      const line = apt.additionalSources("shop", ["deb file:/srv/repository bookworm main"]);
      const stanza = apt.additionalSources(
        "shop",
        "Types: deb\nURIs: file:/srv/repository\nSuites: testing\nComponents: main\n",
      );
      await holdsAfterwards(side, line);
      assert.match(await side.machine.run("apt-cache policy shop"), /Candidate: 1\.0-1\n/);
      await holdsAfterwards(side, stanza);
      assert.equal(await side.machine.run("ls /etc/apt/sources.list.d"), "shop.sources\n");
      assert.match(await side.machine.run("apt-cache policy shop"), /Candidate: 2\.0-1\n/);
      await isUndone(side, stanza);
      assert.equal(await side.machine.run("ls /etc/apt/sources.list.d"), "");
      await isUndone(side, trusted);
      const keyring = apt.hasKeyring("shop", key, { fingerprint });
      await holdsAfterwards(side, keyring);
      await isUndone(side, keyring);
    }));

  test("a package is installed from backports, and then from there only", () =>
    sides.both(async (side) => {
      const all = apt.hasRepository("shop", {
        uris,
        suites: ["bookworm", "bookworm-backports"],
        components,
        signedBy: key,
      });
      const backported = apt.backportsInstalled("shop");
      await holdsAfterwards(side, all);
      await holdsAfterwards(side, apt.installed("shop"));
      assert.equal((await side.check(backported)).holds, false);
      await holdsAfterwards(side, backported);
      assert.equal(await version(side), "shop 1.0-2~bpo12+1");
      const { commands } = await holds(
        side,
        eseqprops(backported, apt.installed("shop", "shop/bookworm-backports")),
      );
      if (side.kind === "agent") assert.deepEqual(commands, []);
      await holdsAfterwards(side, apt.removed("shop"));
      await holdsAfterwards(side, apt.backportsInstalledMinimally("shop"));
      await holds(side, apt.knownInstalledRemovedPackagesReset());
      const { failures } = await side.apply(apt.backportsInstalled("hello"));
      assert.equal(
        failures[0]?.message,
        'apt on web1.example.org finds no package "hello/bookworm-backports", even after an update; correct the name, or put the source that provides it before this property',
      );
      await holdsAfterwards(side, apt.removed("shop"));
      await isUndone(side, all);
    }));

  test("pins decide between suites", () =>
    sides.both(async (side) => {
      const all = apt.hasRepository("shop", {
        uris,
        suites: ["bookworm", "testing"],
        components,
        signedBy: key,
      });
      await holdsAfterwards(side, all);
      const candidate = async () =>
        /Candidate: (\S+)/.exec(await side.machine.run("apt-cache policy shop"))?.[1];
      assert.equal(await candidate(), "2.0-1");
      const suites = apt.suitesAvailablePinned({ testing: -10 });
      await holdsAfterwards(side, suites);
      assert.equal(await candidate(), "1.0-1");
      const pinned = apt.pinned(["shop", "/^hello/"], { testing: 990, "version 1.0-*": 500 });
      await holdsAfterwards(side, pinned);
      assert.equal(await candidate(), "2.0-1");
      await isUndone(side, pinned);
      await isUndone(side, suites);
      const release = apt.pinned("sh*p", { "release n=bookworm,o=Shop": 1001 });
      await holdsAfterwards(side, release);
      assert.equal(await candidate(), "1.0-1");
      await isUndone(side, release);
      assert.equal(await side.machine.run("ls /etc/apt/preferences.d"), "");
      await isUndone(side, all);
    }));

  test("a suite that is pinned is among the standard sources", () =>
    sides.both(async (side) => {
      await succeeds(
        side.apply(eseqprops(apt.suitesAvailablePinned({ testing: -10 }), apt.standardSourcesList())),
      );
      assert.match(
        await side.machine.run("cat /etc/apt/sources.list.d/debian.sources"),
        /^Suites: bookworm bookworm-updates bookworm-backports testing$/m,
      );
      await isUndone(side, apt.suitesAvailablePinned({ testing: -10 }));
    }));
});
