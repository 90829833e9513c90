import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops, unapplied } from "../../lib/combinators";
import { session } from "../../lib/controller/session";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import * as via from "../../lib/via";
import * as apt from "../../properties/apt";
import * as os from "../../properties/os";
import * as sbuild from "../../properties/sbuild";
import * as schroot from "../../properties/schroot";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { aptOptions } from "../support/_base";
import { limit } from "../support/load";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holdsAfterwards } from "../support/sides";

const bookworm = os.debianStable("bookworm", "amd64");

/** The content of the file of schroot that `built` writes. */
function configuration(...applications: PropApp[]): readonly string[] {
  const { application } = prepare({ name: "web1" }, eseqprops(bookworm, ...applications));
  const found: (readonly string[])[] = [];
  const look = ({ property, args, parts }: PropApp & { parts?: readonly PropApp[] }): void => {
    const { path, content, applications: inner } = args as Record<string, unknown>;
    if (property === "file.existsWithContent" && String(path).startsWith("/etc/schroot/chroot.d/"))
      found.push([String(path), ...(content as string[])]);
    for (const each of [...(parts ?? []), ...((inner ?? []) as PropApp[])]) look(each);
  };
  look(application);
  return found.flat();
}

test("the chroot as schroot knows it: aliases, overlays, a cache", () => {
  const common = (name: string, shown: string) => [
    `/etc/schroot/chroot.d/${name}-sbuild-consfigurator`,
    `[${name}-sbuild]`,
    `description=${shown} autobuilder`,
    ...["groups=root,sbuild", "root-groups=root,sbuild", "profile=sbuild", "type=directory"],
    `directory=/srv/chroot/${name}`,
  ];
  assert.deepEqual(configuration(sbuild.built({ useCcache: false }, os.debianStable("trixie", "amd64"))), [
    ...common("trixie-amd64", "trixie/amd64"),
    "command-prefix=eatmydata",
  ]);
  const sid = sbuild.built({}, os.debianUnstable("amd64"));
  assert.deepEqual(configuration(schroot.usesOverlays(), sid), [
    ...common("unstable-amd64", "unstable/amd64"),
    "union-type=overlay",
    "aliases=sid,rc-buggy,experimental,UNRELEASED,UNRELEASED-amd64-sbuild",
    "command-prefix=/var/cache/ccache-sbuild/sbuild-setup,eatmydata",
  ]);
  assert.ok(
    !configuration(sbuild.built({}, os.debianUnstable("i386"))).some((line) => /^aliases/.test(line)),
  );
});

test("a host that does not run Debian, and a chroot that does not say what it is, are refused", () => {
  assert.throws(
    () => prepare({ name: "web1" }, eseqprops(os.linux(), sbuild.built({}, bookworm))),
    /: it needs a debianlike system, but web1 runs linux/,
  );
  assert.throws(
    () => prepare({ name: "web1" }, eseqprops(bookworm, sbuild.built({}, sbuild.standardDebianSchroot()))),
    /: it needs a debian system, but web1 has no operating system declared yet/,
  );
});

describe("sbuild on real hosts", needsMachines(), () => {
  test("a user may use it", { timeout: 15 * 60_000 }, async () => {
    const sides = await bootSides({ withDependencies: true });
    try {
      await sides.both(
        async (side) => {
          await holdsAfterwards(side, sbuild.usableBy("plain"));
          assert.match(await side.machine.run("id -nG plain"), /\bsbuild\b/);
        },
        { except: ["/etc/ssl", "/var/lib/sbuild", "/etc/alternatives"] },
      );
    } finally {
      await sides.stop();
    }
  });

  describe("a chroot", () => {
    let on: Rig;
    let proxy: PropApp[] = [];
    before(async () => {
      on = await rig({ withDependencies: true });
      assert.equal(session.consfig?.refresh().error, undefined);
      const [, uri] =
        (await aptOptions()).map((each) => /^Acquire::http::Proxy "(.*)";$/.exec(each)).find(Boolean) ?? [];
      if (uri !== undefined) proxy = [apt.proxy(uri)];
    }, untilBaseIsBuilt);
    after(() => on?.stop());

    test("a package is built in it", { timeout: 20 * 60_000 }, async () => {
      const chroot = sbuild.built({}, bookworm, ...proxy, sbuild.standardDebianSchroot());
      const deployed = () =>
        on.deploy([bookworm, schroot.overlaysInTmpfs(), chroot], [on.ssh(), via.agent()]);
      assertOk(await deployed());
      assert.equal((await deployed()).status, "unchanged");
      assert.equal(
        await on.machine.run(
          "schroot -c bookworm-amd64-sbuild -u root -d / -- sh -c 'echo $CCACHE_DIR; touch /new; . /etc/os-release; echo $VERSION_CODENAME'; ls /srv/chroot/bookworm-amd64/new 2>/dev/null || true",
        ),
        "/var/cache/ccache-sbuild\nbookworm\n",
      );
      const control =
        "Source: tiny\\nMaintainer: a <a@example.org>\\nStandards-Version: 4.6.2\\n\\nPackage: tiny\\nArchitecture: all\\nDescription: tiny\\n";
      const rules =
        "#!/usr/bin/make -f\\nclean build build-arch build-indep binary-arch:\\nbinary binary-indep:\\n\\tmkdir -p debian/tiny/DEBIAN\\n\\tdpkg-gencontrol -Pdebian/tiny\\n\\tdpkg-deb -b debian/tiny ..\\n";
      await on.machine.run(
        `mkdir -p /root/tiny/debian/source; cd /root/tiny
        printf '${control}' >debian/control; printf '${rules}' >debian/rules; chmod +x debian/rules
        echo '3.0 (native)' >debian/source/format
        printf 'tiny (1) bookworm; urgency=low\\n\\n  * a\\n\\n -- a <a@example.org>  Sat, 01 Jan 2022 00:00:00 +0000\\n' >debian/changelog
        sbuild -d bookworm --arch-all --no-run-lintian --no-run-piuparts --no-run-autopkgtest --nolog >/root/log 2>&1 || { tail -40 /root/log >&2; exit 1; }
        test -e ../tiny_1_all.deb`,
        { timeout: limit(600) },
      );
      assertOk(
        await on.deploy([bookworm, schroot.overlaysInTmpfs(), unapplied(chroot)], [on.ssh(), via.agent()]),
      );
      assert.equal(
        await on.machine.run(
          "ls /srv/chroot /etc/schroot/chroot.d; stat -c '%G %a' /var/cache/ccache-sbuild",
        ),
        "/etc/schroot/chroot.d:\n\n/srv/chroot:\nsbuild 2775\n",
      );
    });
  });
});
