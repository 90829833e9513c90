/** The operating system that a host runs, as its files and tools tell it. */
import { machine, type } from "node:os";
import type { PosixTarget } from "consfigurator";
import { architectureOf } from "./_elf";

/** What a host says of its system. What is not known is undefined, or empty. */
export interface FoundSystem {
  /** As uname(1) prints it: "Linux", "FreeBSD". */
  readonly kernel: string;
  /** The fields of os-release(5). */
  readonly release: Readonly<Record<string, string>>;
  /** The content of /etc/debian_version: "12.11", "trixie/sid". */
  readonly debianVersion: string | undefined;
  /** The architecture of dpkg, which is that of the programs: the kernel may have another. */
  readonly dpkg: string | undefined;
  /** As `uname -m` and `uname -p` print it. */
  readonly machines: readonly string[];
  /** The version of the userland of FreeBSD: "14.1-RELEASE-p3". */
  readonly freebsd: string | undefined;
  /** The words of apt's lists of sources, without comments. */
  sources(): Promise<ReadonlySet<string>>;
}

const MEMORY = "os/found";

/** The system of the host; it is looked at once per deployment. */
export function foundSystem(target: PosixTarget): Promise<FoundSystem> {
  const known = target.memory.get(MEMORY) as Promise<FoundSystem> | undefined;
  if (known) return known;
  const finding = target.kind === "agent" && type() === "Linux" ? fromFiles(target) : fromCommand(target);
  target.memory.set(MEMORY, finding);
  finding.catch(() => target.memory.delete(MEMORY));
  return finding;
}

const OS_RELEASE = ["/etc/os-release", "/usr/lib/os-release"] as const;
const DEBIAN_VERSION = "/etc/debian_version";
const SOURCES = "/etc/apt/sources.list";

/** No process is started. */
async function fromFiles(target: PosixTarget): Promise<FoundSystem> {
  // A file that cannot be read tells nothing.
  const bytes = (file: string) => target.readBytes(file).catch(() => undefined);
  const text = async (file: string) => (await bytes(file))?.toString("utf8") ?? "";
  const [own, distributed, debianVersion, dpkg] = await Promise.all([
    text(OS_RELEASE[0]),
    text(OS_RELEASE[1]),
    text(DEBIAN_VERSION),
    bytes("/usr/bin/dpkg"),
  ]);
  return {
    kernel: type(),
    release: releaseFields(own || distributed),
    debianVersion: debianVersion.trim() || undefined,
    dpkg: dpkg && architectureOf(dpkg),
    machines: [machine()],
    freebsd: undefined,
    sources: async () => {
      const names = (await target.list(`${SOURCES}.d`).catch(() => undefined)) ?? [];
      const files = [SOURCES, ...names.map((name) => `${SOURCES}.d/${name}`)];
      return wordsOf(await Promise.all(files.map(text)));
    },
  };
}

/** One command. Each line of its output begins with what it is about. */
async function fromCommand(target: PosixTarget): Promise<FoundSystem> {
  const { stdout } = await target.query(QUESTION, { mayFail: true, excerpt: true, cwd: "/" });
  const about = (what: string) =>
    stdout.split("\n").flatMap((line) => (line.startsWith(`${what} `) ? [line.slice(what.length + 1)] : []));
  const first = (what: string) => about(what)[0]?.trim() || undefined;
  return {
    kernel: first("kernel") ?? "",
    release: releaseFields(about("release").join("\n")),
    debianVersion: first("debian"),
    dpkg: first("dpkg"),
    machines: about("machine"),
    freebsd: first("freebsd"),
    sources: async () => wordsOf(about("source")),
  };
}

/** Few processes: a slow host feels each of them. */
const QUESTION = `kernel=$(uname -s); echo "kernel $kernel"; echo "machine $(uname -m)"
[ "$kernel" = Linux ] || echo "machine $(uname -p 2>/dev/null)"
for f in ${OS_RELEASE.join(" ")}; do if [ -s $f ] && [ -r $f ]; then sed "s/^/release /" $f; echo; break; fi; done
if [ -r ${DEBIAN_VERSION} ]; then read -r version <${DEBIAN_VERSION}; echo "debian $version"; fi
if command -v dpkg >/dev/null; then echo "dpkg $(dpkg --print-architecture)"; fi
if command -v freebsd-version >/dev/null; then echo "freebsd $(freebsd-version -u)"; fi
if [ -d ${SOURCES}.d ]; then sed "s/^/source /" ${SOURCES} ${SOURCES}.d/* 2>/dev/null; fi`;

/** The fields of os-release(5), without quotes. */
export const releaseFields = (text: string): Record<string, string> =>
  Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const [, name, value = ""] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
      return name ? [[name, value.trim().replace(/^(["'])(.*)\1$/, "$2")]] : [];
    }),
  );

const wordsOf = (texts: readonly string[]): ReadonlySet<string> =>
  new Set(
    texts
      .join("\n")
      .split("\n")
      .flatMap((line) => line.replace(/#.*/, "").split(/\s+/)),
  );
