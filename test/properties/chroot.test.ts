import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops, unapplied } from "../../lib/combinators";
import { session } from "../../lib/controller/session";
import { prepare } from "../../lib/engine/prepare";
import type { PropApp } from "../../lib/model/property";
import { makeChildHost } from "../../lib/nested/make-host";
import * as via from "../../lib/via";
import { debootstrapWords, mmdebstrapWords, usesMmdebstrap } from "../../properties/_bootstrap";
import * as apt from "../../properties/apt";
import * as chroot from "../../properties/chroot";
import * as file from "../../properties/file";
import * as os from "../../properties/os";
import * as service from "../../properties/service";
import { assertOk, prop, type Rig, rig } from "../lib/agent/_rig";
import { aptOptions } from "../support/_base";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";

const arch = "amd64";
const bookworm = os.debianStable("bookworm", arch);

const refusal = (...applications: PropApp[]): string => {
  try {
    prepare({ name: "web1" }, eseqprops(...applications));
  } catch (error) {
    return (error as Error).message.replace(/ at \S+:\d+:\d+/g, "");
  }
  return "";
};

test("what is no directory, option or system is refused before connecting", () => {
  assert.throws(() => chroot.osBootstrapped({}, "srv/c/", bookworm), {
    name: "InvalidArguments",
    message:
      'chroot.osBootstrapped: args.root is "srv/c/"; it must be an absolute path without a slash at the end',
  });
  assert.throws(() => chroot.osBootstrapped({ "no-check": true }, "/srv/c", bookworm), {
    name: "InvalidArguments",
  });
  assert.match(
    refusal(bookworm, chroot.osBootstrapped({}, "/srv/c", os.linux())),
    /what is to be in \/srv\/c is not declared to run Debian; put os\.debianStable\("bookworm", "amd64"\) or the like first among its properties$|it needs a debianlike system, but web1 runs linux$/,
  );
  assert.match(
    refusal(bookworm, chroot.osBootstrapped({}, "/srv/c", file.directoryExists("/a"))),
    /it needs a debianlike system, but web1 has no operating system declared yet/,
  );
});

test("the commands: mirrors and proxy of the host inside, unless options replace them", () => {
  const inside = {
    root: "/srv/c",
    value: { type: "debianStable", suite: "bookworm", arch: "AMD64" },
    mirrors: ["http://a/debian", "http://b/debian"],
    proxy: "http://p:3142",
  } as const;
  assert.deepEqual(
    debootstrapWords(inside, { variant: "minbase", noCheckGpg: true, aptMirror: "http://c/d" }),
    [
      ...[
        "debootstrap",
        "--variant=minbase",
        "--no-check-gpg",
        "--arch=amd64",
        "bookworm",
        "/srv/c",
        "http://c/d",
      ],
    ],
  );
  assert.deepEqual(debootstrapWords(inside, {}).slice(-2), ["/srv/c", "http://a/debian"]);
  assert.deepEqual(mmdebstrapWords(inside, { include: ["a", "b"] }, "/srv/c/mmdebstrap"), [
    ...["mmdebstrap", "--mode=root", "--format=directory", "--arch=amd64"],
    '--aptopt=Acquire::Retries::Delay "false"',
    '--customize-hook=f=$1/etc/apt/apt.conf.d/99mmdebstrap; sed -i "/^Acquire::Retries::Delay /d" "$f"; [ -s "$f" ] || rm "$f"',
    '--aptopt=Acquire::http { Proxy "http://p:3142"; }',
    ...["--include=a,b", "--", "bookworm", "/srv/c/mmdebstrap", "http://a/debian", "http://b/debian"],
  ]);
  const { model } = prepare({ name: "web1" }, bookworm);
  assert.deepEqual(
    [{}, { include: "a", aptMirror: "b" }, { noCheckGpg: true }].map((options) =>
      usesMmdebstrap(model, options),
    ),
    [true, true, false],
  );
});

describe("chroots on a real host", needsMachines(), () => {
  let on: Rig;
  let proxy: PropApp[] = [];
  before(async () => {
    on = await rig({ withDependencies: true });
    assert.equal(session.consfig?.refresh().error, undefined);
    // As this computer does.
    const [, uri] =
      (await aptOptions()).map((each) => /^Acquire::http::Proxy "(.*)";$/.exec(each)).find(Boolean) ?? [];
    if (uri !== undefined) proxy = [apt.proxy(uri)];
  }, untilBaseIsBuilt);
  after(() => on?.stop());

  const ways = [
    ["mmdebstrap, through an agent", { variant: "minbase" }, () => [on.ssh(), via.agent()]],
    ["debootstrap, over a shell", { variant: "minbase", noMergedUsr: false }, () => [on.ssh()]],
  ] as const;

  for (const [index, [name, options, hops]] of ways.entries()) {
    test(`bootstrapped by ${name}`, { timeout: 15 * 60_000 }, async () => {
      const root = `/srv/c${index}`;
      const child = makeChildHost(
        { name: "child.example.org" },
        os.debianStable("trixie", arch),
        ...proxy,
        file.hasContent("/etc/inside", ["yes"]),
        service.running("cron"),
      );
      const there = chroot.osBootstrappedFor(options, root, child, file.hasContent("/etc/after", ["too"]));
      // An interrupted run.
      await on.machine.run(`mkdir -p ${root}/${index === 0 ? "mmdebstrap" : "debootstrap"} ${root}/.left`);
      const first = await on.deploy([bookworm, there], hops());
      assertOk(first);
      assert.equal(
        await on.machine.run(
          `cd ${root}; cat etc/inside etc/after; . usr/lib/os-release; echo $VERSION_CODENAME; ls -d .left mmdebstrap debootstrap 2>/dev/null || true; stat -c '%a %U' .`,
        ),
        "yes\ntoo\ntrixie\n755 root\n",
      );
      const again = await on.deploy([bookworm, there], hops());
      assertOk(again);
      assert.equal(again.status, "unchanged");
      assertOk(
        await on.deploy(
          [
            bookworm,
            chroot.deploys(
              root,
              makeChildHost({}, os.debianStable("trixie", arch), file.hasContent("/etc/one", ["1"])),
            ),
            chroot.deploysThese(root, child, file.hasContent("/etc/two", ["2"])),
            chroot.deploysThese(
              root,
              "c.example.org",
              os.debianStable("trixie", arch),
              prop("probe.runs", "true"),
            ),
          ],
          hops(),
        ),
      );
      assert.equal(await on.machine.run(`cat ${root}/etc/one ${root}/etc/two`), "1\n2\n");
      await on.machine.run(
        `mount -t tmpfs none ${root}/mnt; mkdir ${root}/mnt/x; mount -t tmpfs none ${root}/mnt/x`,
      );
      assertOk(await on.deploy([bookworm, unapplied(there)], hops()));
      assert.equal(
        await on.machine.run(`ls -d ${root} 2>/dev/null || true; grep -c " ${root}" /proc/mounts || true`),
        "0\n",
      );
      assert.equal((await on.deploy([bookworm, unapplied(there)], hops())).status, "unchanged");
    });
  }

  test("a directory with something else in it is left alone", async () => {
    await on.machine.run("mkdir -p /srv/data; echo mine >/srv/data/file");
    const report = await on.deploy([
      bookworm,
      chroot.osBootstrapped({}, "/srv/data", os.debianStable("trixie", arch)),
    ]);
    assert.deepEqual(
      report.failed.map(({ failure }) => failure?.message).filter((each) => each?.startsWith("/srv")),
      ["/srv/data has no whole system but is not empty (file); move that away, or name another directory"],
    );
    assert.equal(await on.machine.run("cat /srv/data/file"), "mine\n");
  });
});
