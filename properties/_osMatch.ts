/** Whether a host can be what is declared of it. Nothing that may be true is refused. */
import type { PosixTarget } from "consfigurator";
import { isSuperseded, moving, nameOf, numberOf } from "./_debianSuites";
import { isA, type OsValue, of } from "./_os";
import { type FoundSystem, foundSystem } from "./_osFound";

/** Why the host is certainly not `declared`, and not the system `from` that is replaced either; else undefined. */
export async function mismatch(
  declared: OsValue,
  from: string | undefined,
  target: PosixTarget,
): Promise<string | undefined> {
  const { host } = target;
  // Of several declarations the newest counts.
  if (JSON.stringify(of(host)) !== JSON.stringify(declared)) return undefined;
  return problem(host.name, declared, from, await foundSystem(target));
}

/** As `mismatch`, for a host called `host` on which `found` was found. */
export async function problem(
  host: string,
  declared: OsValue,
  from: string | undefined,
  found: FoundSystem,
): Promise<string | undefined> {
  const isSystem = await canBe(declared, found);
  const names = namesOf(found);
  if (isSystem ? hasArchitecture(declared, found) : from !== undefined && names.includes(from))
    return undefined;
  const before = from === undefined ? "" : `, or ${JSON.stringify(from)} before that`;
  const option =
    declared.type === "linux" || names[0] === undefined
      ? ""
      : `, or add { from: ${JSON.stringify(names[0])} } to it if this deployment upgrades or replaces that system`;
  const advice = isSystem ? "correct the architecture" : `correct the declaration${option}`;
  return `${host} is declared to run ${inWords(declared)}${before}, but it runs ${foundInWords(found)}; ${advice}`;
}

/** `value` for people: "Debian bookworm (amd64)". */
export function inWords({ type, suite, version, arch }: OsValue): string {
  if (type === "linux") return "Linux";
  if (type === "freebsdDevel") return `FreeBSD, a development build (${arch})`;
  return type === "freebsdRelease" ? `FreeBSD ${version} (${arch})` : `Debian ${suite} (${arch})`;
}

async function canBe(declared: OsValue, found: FoundSystem): Promise<boolean> {
  const { kernel } = found;
  if (kernel === "") return true;
  if (isA(declared, "debian"))
    return kernel === "Linux" || kernel.startsWith("GNU") ? canBeDebian(declared, found) : false;
  if (isA(declared, "freebsd")) return kernel === "FreeBSD" && canBeFreebsd(declared, found);
  return declared.type !== "linux" || kernel === "Linux";
}

/** What the files of a Debian, or of a derivative, say. */
interface DebianRelease {
  /** "bookworm"; of testing and unstable it is that of the release to come. */
  readonly codename: string | undefined;
  readonly number: number | undefined;
  /** True: it has no number yet, so it is testing or unstable. */
  readonly development: boolean;
}

/** Undefined for a system that is neither a Debian nor derived from one. */
function debianRelease({ release, debianVersion = "" }: FoundSystem): DebianRelease | undefined {
  const { ID, ID_LIKE = "", PRETTY_NAME = "", VERSION = "", VERSION_CODENAME, VERSION_ID } = release;
  const isLike = ID_LIKE.split(/\s+/).some((each) => each === "debian" || each === "ubuntu");
  if (ID !== undefined && ID !== "debian" && !isLike && debianVersion === "") return undefined;
  const number = /^\d+/.exec(debianVersion)?.[0] ?? (ID === "debian" ? VERSION_ID : undefined);
  const coming = /^([a-z]+)\/sid$/.exec(debianVersion)?.[1] ?? /([a-z]+)\/sid\b/.exec(PRETTY_NAME)?.[1];
  const known = number === undefined ? coming : nameOf(Number.parseInt(number, 10));
  return {
    codename: VERSION_CODENAME || /\(([a-z]+)\)/.exec(VERSION)?.[1] || known,
    number: number === undefined ? undefined : Number.parseInt(number, 10),
    development: number === undefined && coming !== undefined && VERSION_ID === undefined,
  };
}

async function canBeDebian({ type, suite = "" }: OsValue, found: FoundSystem): Promise<boolean> {
  const { ID, DEBIAN_CODENAME, UBUNTU_CODENAME } = found.release;
  if (ID === undefined && found.debianVersion === undefined) return true;
  const release = debianRelease(found);
  if (!release) return false;
  const { codename, development } = release;
  if (type !== "debianStable" || includes([...moving.development, "experimental"], suite))
    return development || canBeDevelopment(release, found);
  if (includes(moving.stable, suite)) return !development;
  return codename === undefined || [codename, DEBIAN_CODENAME, UBUNTU_CODENAME].includes(suite);
}

/** Testing and unstable have the number of the coming release for weeks before it, and for some time after it. */
async function canBeDevelopment({ codename, number }: DebianRelease, found: FoundSystem): Promise<boolean> {
  const { ID } = found.release;
  if (codename === undefined) return true;
  if (ID !== undefined && ID !== "debian" && numberOf(codename) === undefined) return false;
  const sources = [...(await found.sources())];
  const of = (word: string) => word.replace(/[-/].*/, "");
  const isLater = (word: string) => (numberOf(word) ?? 0) > (number ?? Number.POSITIVE_INFINITY);
  const development: readonly string[] = [...moving.development, "experimental"];
  if (sources.some((word) => development.includes(of(word)) || isLater(of(word)))) return true;
  if (number !== undefined && isSuperseded(number)) return false;
  return !sources.some((word) => of(word) === codename || includes(moving.stable, of(word)));
}

function canBeFreebsd({ type, version }: OsValue, { freebsd }: FoundSystem): boolean {
  const [, number, branch = ""] = /^(\d+\.\d+)-(.*)$/.exec(freebsd ?? "") ?? [];
  if (number === undefined) return true;
  if (type === "freebsdDevel") return !branch.startsWith("RELEASE");
  return type !== "freebsdRelease" || (number === version && /^R(ELEASE|C)/.test(branch));
}

/** Debian's architectures whose programs a kernel with this `uname -m` runs. */
const runnable: readonly (readonly [machine: RegExp, architectures: readonly string[]])[] = [
  [/^x86_64$/, ["amd64", "i386", "x32"]],
  [/^i[3-6]86$/, ["i386"]],
  [/^aarch64$/, ["arm64", "armhf", "armel"]],
  [/^armv8l$/, ["arm64", "armhf", "armel"]],
  [/^armv[67]l$/, ["armhf", "armel"]],
  [/^armv5/, ["armel"]],
  [/^ppc64le$/, ["ppc64el"]],
  [/^riscv64$/, ["riscv64"]],
  [/^s390x$/, ["s390x"]],
];

function hasArchitecture({ arch, ...declared }: OsValue, { dpkg, machines }: FoundSystem): boolean {
  if (arch === undefined) return true;
  const wanted = arch.toLowerCase();
  if (isA(declared, "debian")) {
    if (dpkg !== undefined) return dpkg === wanted;
    const [, possible] = runnable.find(([pattern]) => pattern.test(machines[0] ?? "")) ?? [];
    return possible === undefined || possible.includes(wanted);
  }
  const same = wanted === "aarch64" ? "arm64" : wanted;
  return machines.length === 0 || machines.includes(wanted) || machines.includes(same);
}

/** The names by which `from` can mean this system, the most specific first. */
function namesOf(found: FoundSystem): string[] {
  const { kernel, release, freebsd } = found;
  const { ID, VERSION_CODENAME, DEBIAN_CODENAME } = release;
  const debian = kernel === "FreeBSD" ? undefined : debianRelease(found);
  const names = [
    debian?.codename,
    VERSION_CODENAME,
    DEBIAN_CODENAME,
    ...(debian?.development ? moving.development : []),
    /^\d+\.\d+/.exec(freebsd ?? "")?.[0],
    ID,
    kernel.toLowerCase(),
  ];
  return names.filter((each): each is string => each !== undefined && each !== "");
}

function foundInWords({ kernel, release, debianVersion, dpkg, machines, freebsd }: FoundSystem): string {
  const { PRETTY_NAME, NAME, VERSION_ID = "" } = release;
  const system =
    freebsd !== undefined
      ? `FreeBSD ${freebsd}`
      : PRETTY_NAME ||
        (NAME && `${NAME} ${VERSION_ID}`.trim()) ||
        (debianVersion && `Debian ${debianVersion}`);
  const words = [system || kernel, dpkg ?? machines[0]].filter(Boolean).join(", ");
  return words.length > LONGEST ? `${words.slice(0, LONGEST)}…` : words;
}

const LONGEST = 120;

const includes = (names: readonly string[], name: string): boolean => names.includes(name);
