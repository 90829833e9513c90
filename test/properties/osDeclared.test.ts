/** The declared system of a host, compared with that of real hosts. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { machine } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { eseqprops, seqprops } from "../../lib/combinators";
import { session } from "../../lib/controller/session";
import type { Hop } from "../../lib/model/hop";
import type { PropApp } from "../../lib/model/property";
import type { Report } from "../../lib/model/report";
import { as, deploys, reconnects } from "../../lib/nested/deploys";
import { makeChildHost } from "../../lib/nested/make-host";
import * as via from "../../lib/via";
import * as file from "../../properties/file";
import * as os from "../../properties/os";
import { assertOk, prop, type Rig, rig } from "../lib/agent/_rig";
import { smallTree } from "../lib/connection/_tree";
import { needsMachines } from "../support/machines";
import { outline } from "../support/outline";
import { bootSides, type Side, type Sides } from "../support/sides";

const arch = process.arch === "x64" ? "amd64" : process.arch;
const otherArch = arch === "arm64" ? "amd64" : "arm64";
const bookworm = `Debian GNU/Linux 12 (bookworm), ${arch}`;
const replacing = (from: string) =>
  `, or add { from: "${from}" } to it if this deployment upgrades or replaces that system`;

describe("the declared system of a bookworm", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  const messages = async (side: Side, ...applications: PropApp[]): Promise<string[]> => {
    const { change, failures } = await side.apply(
      seqprops(file.hasContent("/srv/first", "x"), ...applications, file.hasContent("/srv/last", "x")),
    );
    assert.equal(change, failures.length > 0 ? "unchanged" : "changed");
    for (const name of ["first", "last"]) {
      const exists = existsSync(path.join(side.machine.root, "srv", name));
      assert.equal(exists, failures.length === 0, `/srv/${name} is made only if nothing is wrong`);
    }
    await side.machine.run("rm -f /srv/first /srv/last");
    return failures.map(({ name, message }) => `${name}: ${message}`);
  };
  const declared = (what: string, advice: string) =>
    `AbortedChange: web1.example.org is declared to run ${what}, but it runs ${bookworm}; ${advice}`;

  test("true: no command in the agent, one over a shell, however many declarations there are", () =>
    sides.both(async (side) => {
      const all = eseqprops(os.linux(), os.debianStable("trixie", arch), os.debianStable("bookworm", arch));
      const { failures, commands } = await side.apply(all);
      assert.deepEqual(failures, []);
      assert.equal(commands.length, side.kind === "agent" ? 0 : 1);
    }));

  test("false: nothing is done", () =>
    sides.both(async (side) => {
      const correct = `correct the declaration${replacing("bookworm")}`;
      assert.deepEqual(await messages(side, os.debianStable("trixie", arch)), [
        declared(`Debian trixie (${arch})`, correct),
      ]);
      assert.deepEqual(await messages(side, os.debianStable("woodstock", arch)), [
        declared(`Debian woodstock (${arch})`, correct),
      ]);
      assert.deepEqual(await messages(side, os.debianUnstable(arch)), [
        declared(`Debian unstable (${arch})`, correct),
      ]);
      assert.deepEqual(await messages(side, os.freebsdRelease("14.1", arch)), [
        declared(`FreeBSD 14.1 (${arch})`, correct),
      ]);
      assert.deepEqual(await messages(side, os.debianStable("bookworm", otherArch)), [
        declared(`Debian bookworm (${otherArch})`, "correct the architecture"),
      ]);
    }));

  test("false until the deployment upgrades it: says so", () =>
    sides.both(async (side) => {
      assert.deepEqual(await messages(side, os.debianStable("trixie", arch, { from: "bookworm" })), []);
      assert.deepEqual(await messages(side, os.debianTesting(arch, { from: "debian" })), []);
      assert.deepEqual(await messages(side, os.debianStable("trixie", arch, { from: "bullseye" })), [
        declared(
          `Debian trixie (${arch}), or "bullseye" before that`,
          `correct the declaration${replacing("bookworm")}`,
        ),
      ]);
    }));

  test("the sources of apt tell testing from a release that has just come out", () =>
    sides.both(async (side) => {
      const release =
        'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nVERSION_CODENAME=trixie\nID=debian';
      const on = (name: string, text: string) => writeFileSync(path.join(side.machine.root, name), text);
      const sources = "etc/apt/sources.list";
      await side.machine.run(
        "cd /etc; cp --remove-destination -L os-release os-release.kept; rm os-release; cp debian_version debian_version.kept; cp apt/sources.list apt/sources.list.kept",
      );
      on("etc/os-release", `${release}\n`);
      on("etc/debian_version", "13.0");
      on(
        sources,
        "# deb http://deb.debian.org/debian testing main\ndeb http://deb.debian.org/debian trixie main",
      );
      assert.equal((await messages(side, os.debianTesting(arch))).length, 1);
      on(
        sources,
        "deb http://deb.debian.org/debian trixie main\ndeb http://deb.debian.org/debian testing main",
      );
      assert.deepEqual(await messages(side, os.debianTesting(arch)), []);
      await side.machine.run(
        "cd /etc; rm os-release; ln -s ../usr/lib/os-release os-release; mv debian_version.kept debian_version; mv apt/sources.list.kept apt/sources.list; rm os-release.kept",
      );
    }));
});

describe("the declared systems of a deployment with others nested in it", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    // The tree is a trixie.
    on = await rig({ nspawn: [`--overlay=${await smallTree()}::/srv/c`] });
    const refresh = session.consfig?.refresh();
    if (refresh?.error) throw refresh.error;
    // Otherwise the first deployment begins over a shell.
    assertOk(await on.deploy([prop("probe.runs", "true")]));
    await on.arrived();
  });
  after(() => on?.stop());

  const child = (suite: string) =>
    makeChildHost(
      { name: "child.example.org" },
      prop("probe.runs", "touch /srv/child"),
      os.debianStable(suite, arch),
    );
  const inside = (suite: string) => deploys(child(suite), via.chroot("/srv/c"));
  const ways: readonly (readonly [name: string, questions: number, hops: () => readonly Hop[]])[] = [
    ["through an agent", 0, () => [on.ssh(), via.agent()]],
    ["over a shell", 1, () => [on.ssh()]],
  ];
  const runs = (report: Report): string[] =>
    (report.commands ?? []).map(({ command }) => command.replaceAll(/\s+/g, " "));
  const questions = (report: Report): number =>
    runs(report).filter((each) => each.includes("os-release")).length;
  const verbosely = async (...given: Parameters<Rig["deploy"]>): Promise<Report> => {
    session.verbose = true;
    try {
      return await on.deploy(...given);
    } finally {
      session.verbose = false;
    }
  };

  for (const [name, each, hops] of ways) {
    test(`${name}: true for both, each asked once`, async () => {
      const report = await verbosely(
        [os.debianStable("bookworm", arch), as("plain", prop("probe.runs", "true")), inside("trixie")],
        hops(),
      );
      assertOk(report);
      assert.equal(questions(report), 2 * each);
      assert.equal(await on.machine.run("rm /srv/c/srv/child; echo gone"), "gone\n");
    });

    test(`${name}: false for the inner one, which is left alone`, async () => {
      const report = await on.deploy(
        [os.debianStable("bookworm", arch), prop("probe.runs", "true"), inside("bookworm")],
        hops(),
      );
      assert.deepEqual(outline(report.steps), [
        `unchanged runs Debian bookworm (${arch})`,
        "changed true",
        "failed deploys child.example.org (a step inside it failed)",
        `  failed declared: runs Debian bookworm (${arch}): AbortedChange: child.example.org is declared to run Debian bookworm (${arch}), but it runs Debian GNU/Linux 13 (trixie), ${arch}; correct the declaration${replacing("trixie")}`,
        "  skipped touch /srv/child (the host is not as declared)",
        `  skipped runs Debian bookworm (${arch}) (the host is not as declared)`,
      ]);
      assert.equal(existsSync(path.join(on.machine.root, "srv/c/srv/child")), false);
    });

    test(`${name}: false for the outer one: nothing at all is done`, async () => {
      const declaration = os.debianStable("trixie", arch);
      const report = await on.deploy(
        [prop("probe.runs", "touch /srv/outer"), declaration, inside("trixie")],
        hops(),
      );
      assert.equal(report.status, "failed");
      assert.deepEqual(
        report.failed.map(({ site, failure }) => [site, failure?.message]),
        [
          [
            declaration.site,
            `web1.example.org is declared to run Debian trixie (${arch}), but it runs ${bookworm}; correct the declaration${replacing("bookworm")}`,
          ],
        ],
      );
      assert.deepEqual(report.changed, []);
      assert.equal(await on.machine.run("ls /srv /srv/c/srv"), "/srv:\nc\n\n/srv/c/srv:\ninner\n");
    });

    test(`${name}: of a busybox only the kernel is known`, async () => {
      const inner = makeChildHost({ name: "inner.example.org" }, os.linux(), prop("probe.runs", "true"));
      const bsd = makeChildHost(
        { name: "inner.example.org" },
        os.freebsdDevel(arch),
        prop("probe.runs", "true"),
      );
      const there = [via.chroot("/srv/c"), via.chroot("/srv/inner")] as const;
      const report = await on.deploy([deploys(inner, there), deploys(bsd, there)], hops());
      assert.deepEqual(
        report.failed.flatMap(({ failure }) => failure?.message ?? []),
        [
          `inner.example.org is declared to run FreeBSD, a development build (${arch}), but it runs Linux, ${machine()}; correct the declaration, or add { from: "linux" } to it if this deployment upgrades or replaces that system`,
        ],
      );
      assert.deepEqual(outline(report.steps).slice(0, 3), [
        "changed deploys inner.example.org",
        "  unchanged runs Linux",
        "  changed true",
      ]);
    });

    test(`${name}: the same host behind further hops is not asked again`, async () => {
      const report = await verbosely(
        [os.debianStable("bookworm", arch), reconnects(via.rehome("/tmp"), prop("probe.runs", "pwd"))],
        hops(),
      );
      assertOk(report);
      assert.equal(questions(report), each);
    });
  }
});
