/** Which declarations are refused, on the systems that there are. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { architectureOf } from "../../properties/_elf";
import type { OsValue } from "../../properties/_os";
import { type FoundSystem, releaseFields } from "../../properties/_osFound";
import { problem } from "../../properties/_osMatch";

/** A system by the lines of its /etc/os-release that count, its /etc/debian_version and its apt sources. */
const linux = (release: string, debianVersion?: string, sources = ""): FoundSystem => ({
  kernel: "Linux",
  release: releaseFields(release),
  debianVersion,
  dpkg: debianVersion === undefined ? undefined : "amd64",
  machines: ["x86_64"],
  freebsd: undefined,
  sources: async () => new Set(sources.split(" ")),
});
const debian = (number: number, codename: string, sources?: string) =>
  linux(
    `PRETTY_NAME="Debian GNU/Linux ${number} (${codename})"\nNAME="Debian GNU/Linux"\nVERSION_ID="${number}"\nVERSION="${number} (${codename})"\nVERSION_CODENAME=${codename}\nID=debian\n`,
    `${number}.1`,
    sources,
  );
const sid = (codename: string, named = true) =>
  linux(
    `PRETTY_NAME="Debian GNU/Linux ${codename}/sid"\nNAME="Debian GNU/Linux"\n${named ? `VERSION_CODENAME=${codename}\n` : ""}ID=debian\n`,
    `${codename}/sid`,
  );
const freebsd = (version: string): FoundSystem => ({
  ...linux('NAME=FreeBSD\nID=freebsd\nVERSION_ID="14.1"\nPRETTY_NAME="FreeBSD 14.1-RELEASE"\n'),
  kernel: "FreeBSD",
  machines: ["amd64"],
  freebsd: version,
});
const onArm = (system: FoundSystem, dpkg?: string): FoundSystem => ({
  ...system,
  dpkg,
  machines: ["aarch64"],
});

const systems = {
  bookworm: debian(12, "bookworm", "deb http://deb.debian.org/debian bookworm bookworm-security main"),
  trixie: debian(13, "trixie", "Suites: trixie trixie-updates"),
  "trixie with testing pinned": debian(13, "trixie", "Suites: trixie testing"),
  "trixie without sources": debian(13, "trixie"),
  "testing just after the release of trixie": debian(13, "trixie", "Suites: forky"),
  "bookworm in transition to testing": debian(12, "bookworm", "Suites: testing"),
  "testing or unstable": sid("forky"),
  "testing of old, without a code name": sid("bullseye", false),
  "a release to come": debian(16, "woodstock", "Suites: woodstock"),
  jessie: linux(
    'PRETTY_NAME="Debian GNU/Linux 8 (jessie)"\nVERSION_ID="8"\nVERSION="8 (jessie)"\nID=debian\n',
    "8.11",
  ),
  "Debian without os-release": linux("", "6.0.10"),
  "no files at all": linux(""),
  ubuntu: linux(
    'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME=noble\n',
    "trixie/sid",
  ),
  mint: linux(
    'PRETTY_NAME="Linux Mint 21.3"\nVERSION_ID="21.3"\nVERSION_CODENAME=virginia\nID=linuxmint\nID_LIKE="ubuntu debian"\nUBUNTU_CODENAME=jammy\n',
    "bookworm/sid",
  ),
  lmde: linux(
    'PRETTY_NAME="LMDE 6 (faye)"\nVERSION_ID="6"\nVERSION_CODENAME=faye\nID=linuxmint\nID_LIKE=debian\nDEBIAN_CODENAME=bookworm\n',
    "12.9",
  ),
  raspbian: linux(
    'PRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=raspbian\nID_LIKE=debian\n',
    "12.9",
  ),
  kali: linux(
    'PRETTY_NAME="Kali GNU/Linux Rolling"\nVERSION_ID="2025.1"\nVERSION_CODENAME=kali-rolling\nID=kali\nID_LIKE=debian\n',
    "kali-rolling",
  ),
  "a name of one's own on Debian": linux('PRETTY_NAME="Acme OS"\nID=acme\n', "12.9"),
  fedora: linux(
    'PRETTY_NAME="Fedora Linux 41 (Server Edition)"\nVERSION_ID=41\nVERSION_CODENAME=""\nID=fedora\n',
  ),
  alpine: linux('PRETTY_NAME="Alpine Linux v3.20"\nVERSION_ID=3.20.3\nID=alpine\n'),
  freebsd: freebsd("14.1-RELEASE-p3"),
  "freebsd release candidate": freebsd("14.2-RC1"),
  "freebsd development": freebsd("15.0-CURRENT"),
  macos: { ...linux(""), kernel: "Darwin" },
  "a shell without uname": { ...linux(""), kernel: "", machines: [] },
} as const satisfies Record<string, FoundSystem>;
type Name = keyof typeof systems;

const stable = (suite: string, arch = "amd64"): OsValue => ({ type: "debianStable", suite, arch });
const testing: OsValue = { type: "debianTesting", suite: "testing", arch: "amd64" };
const unstable: OsValue = { type: "debianUnstable", suite: "unstable", arch: "amd64" };
const release = (version: string): OsValue => ({ type: "freebsdRelease", version, arch: "amd64" });
const devel: OsValue = { type: "freebsdDevel", arch: "amd64" };

/** The systems of which `declared` is accepted. All others are refused. */
const accepted: readonly (readonly [declared: OsValue, names: readonly Name[]])[] = [
  [
    stable("bookworm"),
    ["bookworm", "bookworm in transition to testing", "lmde", "raspbian", "a name of one's own on Debian"],
  ],
  [
    stable("trixie"),
    [
      "trixie",
      "trixie with testing pinned",
      "trixie without sources",
      "testing just after the release of trixie",
    ],
  ],
  [stable("forky"), ["testing or unstable"]],
  [stable("bullseye"), ["testing of old, without a code name"]],
  [stable("woodstock"), ["a release to come"]],
  [stable("jessie"), ["jessie"]],
  [stable("squeeze"), ["Debian without os-release"]],
  [stable("noble"), ["ubuntu"]],
  [stable("jammy"), ["mint"]],
  [stable("kali-rolling"), ["kali"]],
  [
    stable("stable"),
    [
      ...(["bookworm", "trixie", "trixie with testing pinned", "trixie without sources"] as const),
      ...(["testing just after the release of trixie", "bookworm in transition to testing"] as const),
      ...(["a release to come", "jessie", "Debian without os-release"] as const),
      ...(["ubuntu", "mint", "lmde", "raspbian", "kali", "a name of one's own on Debian"] as const),
    ],
  ],
  ...[testing, unstable, stable("sid")].map(
    (declared) =>
      [
        declared,
        [
          ...(["trixie with testing pinned", "trixie without sources"] as const),
          ...(["testing just after the release of trixie", "bookworm in transition to testing"] as const),
          ...(["testing or unstable", "testing of old, without a code name"] as const),
        ],
      ] as const,
  ),
  [release("14.1"), ["freebsd"]],
  [release("14.2"), ["freebsd release candidate"]],
  [devel, ["freebsd release candidate", "freebsd development"]],
  [{ type: "linux" }, (Object.keys(systems) as Name[]).filter((name) => systems[name].kernel === "Linux")],
];

/** Of these, hardly anything is known. */
const unknown: readonly Name[] = ["a shell without uname"];
const unknownLinux: readonly Name[] = ["no files at all", ...unknown];

describe("a system is refused only when it is certainly another", () => {
  for (const [declared, names] of accepted) {
    test(`declared: ${declared.type} ${declared.suite ?? declared.version ?? ""}`, async () => {
      const found: string[] = [];
      for (const [name, system] of Object.entries(systems))
        if ((await problem("web1", declared, undefined, system)) === undefined) found.push(name);
      const always = declared.type.startsWith("freebsd") ? unknown : unknownLinux;
      assert.deepEqual(found.sort(), [...new Set([...names, ...always])].sort());
    });
  }
});

describe("the refusal", () => {
  const refusal = (declared: OsValue, found: FoundSystem, from?: string) =>
    problem("web1", declared, from, found);

  test("names what is declared, what is there, and what to do", async () => {
    assert.deepEqual(
      await Promise.all([
        refusal(stable("trixie"), systems.bookworm),
        refusal(testing, systems.trixie),
        refusal(stable("bookworm"), systems.ubuntu),
        refusal(stable("bookworm"), systems.alpine),
        refusal(release("14.0"), systems.freebsd),
        refusal(devel, systems.trixie),
        refusal({ type: "linux" }, systems.freebsd),
        refusal(stable("trixie"), systems.macos),
        refusal(stable("trixie"), systems["Debian without os-release"]),
        refusal(stable("trixie"), linux(`ID=acme\nPRETTY_NAME="${"long ".repeat(50)}"`)),
      ]),
      [
        'web1 is declared to run Debian trixie (amd64), but it runs Debian GNU/Linux 12 (bookworm), amd64; correct the declaration, or add { from: "bookworm" } to it if this deployment upgrades or replaces that system',
        'web1 is declared to run Debian testing (amd64), but it runs Debian GNU/Linux 13 (trixie), amd64; correct the declaration, or add { from: "trixie" } to it if this deployment upgrades or replaces that system',
        'web1 is declared to run Debian bookworm (amd64), but it runs Ubuntu 24.04.1 LTS, amd64; correct the declaration, or add { from: "noble" } to it if this deployment upgrades or replaces that system',
        'web1 is declared to run Debian bookworm (amd64), but it runs Alpine Linux v3.20, x86_64; correct the declaration, or add { from: "alpine" } to it if this deployment upgrades or replaces that system',
        'web1 is declared to run FreeBSD 14.0 (amd64), but it runs FreeBSD 14.1-RELEASE-p3, amd64; correct the declaration, or add { from: "14.1" } to it if this deployment upgrades or replaces that system',
        'web1 is declared to run FreeBSD, a development build (amd64), but it runs Debian GNU/Linux 13 (trixie), amd64; correct the declaration, or add { from: "trixie" } to it if this deployment upgrades or replaces that system',
        "web1 is declared to run Linux, but it runs FreeBSD 14.1-RELEASE-p3, amd64; correct the declaration",
        'web1 is declared to run Debian trixie (amd64), but it runs Darwin, x86_64; correct the declaration, or add { from: "darwin" } to it if this deployment upgrades or replaces that system',
        'web1 is declared to run Debian trixie (amd64), but it runs Debian 6.0.10, amd64; correct the declaration, or add { from: "squeeze" } to it if this deployment upgrades or replaces that system',
        `web1 is declared to run Debian trixie (amd64), but it runs ${"long ".repeat(24)}…; correct the declaration, or add { from: "acme" } to it if this deployment upgrades or replaces that system`,
      ],
    );
  });

  test("from names what the host may run instead: a release or a system, whatever its architecture", async () => {
    for (const from of ["bookworm", "debian"])
      assert.equal(await refusal(stable("trixie", "arm64"), systems.bookworm, from), undefined);
    for (const from of ["noble", "ubuntu"])
      assert.equal(await refusal(stable("trixie"), systems.ubuntu, from), undefined);
    assert.equal(await refusal(release("14.2"), systems.freebsd, "14.1"), undefined);
    assert.equal(await refusal(stable("trixie"), systems.freebsd, "freebsd"), undefined);
    assert.equal(await refusal(stable("bookworm"), systems["testing or unstable"], "sid"), undefined);
    assert.equal(await refusal(stable("trixie"), systems.trixie, "bookworm"), undefined);
    assert.equal(
      await refusal(stable("trixie"), systems.ubuntu, "bookworm"),
      'web1 is declared to run Debian trixie (amd64), or "bookworm" before that, but it runs Ubuntu 24.04.1 LTS, amd64; correct the declaration, or add { from: "noble" } to it if this deployment upgrades or replaces that system',
    );
  });
});

describe("architectures", () => {
  const isRefused = async (arch: string, found: FoundSystem): Promise<boolean> =>
    (await problem("web1", stable("bookworm", arch), undefined, found)) !== undefined;

  test("that of dpkg counts, which need not be that of the kernel", async () => {
    const found = onArm(systems.bookworm, "armhf");
    assert.deepEqual(await Promise.all(["armhf", "arm64", "amd64"].map((arch) => isRefused(arch, found))), [
      false,
      true,
      true,
    ]);
    assert.equal(
      await problem("web1", stable("bookworm", "arm64"), undefined, systems.bookworm),
      "web1 is declared to run Debian bookworm (arm64), but it runs Debian GNU/Linux 12 (bookworm), amd64; correct the architecture",
    );
  });

  test("without dpkg, only what the kernel cannot run is refused", async () => {
    const found = onArm(systems.bookworm);
    assert.deepEqual(
      await Promise.all(["arm64", "armhf", "armel", "amd64"].map((arch) => isRefused(arch, found))),
      [false, false, false, true],
    );
    assert.equal(await isRefused("m68k", { ...found, machines: ["m68k"] }), false);
    assert.equal(await isRefused("m68k", { ...found, machines: [] }), false);
  });

  test("FreeBSD has two names for one", async () => {
    const found = { ...systems.freebsd, machines: ["arm64", "aarch64"] };
    const refused = async (arch: string) =>
      (await problem("web1", { ...release("14.1"), arch }, undefined, found)) !== undefined;
    assert.deepEqual(await Promise.all(["arm64", "aarch64", "amd64"].map(refused)), [false, false, true]);
  });

  test("are in the header of a program", () => {
    if (existsSync("/usr/bin/dpkg")) {
      const native = execFileSync("dpkg", ["--print-architecture"], { encoding: "utf8" }).trim();
      assert.equal(architectureOf(readFileSync("/usr/bin/dpkg")), native);
    }
    // The first 52 bytes of dpkg of these architectures.
    const header = (machine: number, bits: 32 | 64, order: "little" | "big", flags = 0): Buffer => {
      const bytes = Buffer.alloc(64);
      bytes.write("\x7fELF", "latin1");
      bytes[4] = bits / 32;
      bytes[5] = order === "little" ? 1 : 2;
      if (order === "little") bytes.writeUInt16LE(machine, 18);
      else bytes.writeUInt16BE(machine, 18);
      bytes.writeUInt32LE(flags, 36);
      return bytes;
    };
    assert.deepEqual(
      [
        header(62, 64, "little"),
        header(62, 32, "little"),
        header(3, 32, "little"),
        header(183, 64, "little"),
        header(40, 32, "little", 0x5000400),
        header(40, 32, "little", 0x5000200),
        header(40, 32, "little", 0x5000000),
        header(22, 64, "big"),
        header(4, 32, "big"),
        Buffer.from("#!/bin/sh\n".repeat(9)),
        Buffer.from("\x7fELF"),
      ].map(architectureOf),
      [
        ...["amd64", "x32", "i386", "arm64", "armhf", "armel", undefined],
        ...["s390x", undefined, undefined, undefined],
      ],
    );
  });
});
