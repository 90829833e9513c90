/** The packages of a Debian system, from the records of dpkg and apt. */
import {
  FailedChange,
  type HostChange,
  type HostParts,
  type PlanModel,
  type PosixTarget,
} from "consfigurator";
import { numberOf } from "./_debianSuites";

/** One package as dpkg knows it. `status` is "installed", "config-files", "half-configured" and so on. */
export interface Package {
  readonly name: string;
  readonly arch: string;
  readonly version: string;
  readonly status: string;
  /** True when it was only installed as a dependency. */
  readonly auto: boolean;
}

/** All packages of a system. */
export class Packages {
  readonly #byName = new Map<string, Package>();
  readonly #native: string;

  constructor(packages: Iterable<Omit<Package, "auto">>, autoInstalled: ReadonlySet<string>) {
    const all = [...packages];
    this.#native = all.find(({ name, arch }) => name === "dpkg" && arch !== "all")?.arch ?? "all";
    for (const each of all) {
      // apt records a package of architecture "all" under the architecture of the system.
      const arch = each.arch === "all" ? this.#native : each.arch;
      this.#byName.set(`${each.name}:${arch}`, { ...each, auto: autoInstalled.has(`${each.name}:${arch}`) });
    }
  }

  /** The package that dpkg calls `name`: `foo` for the system's own architecture, or `foo:i386`. */
  get(name: string): Package | undefined {
    return this.#byName.get(name.includes(":") ? name : `${name}:${this.#native}`);
  }

  /**
   * Whether an argument of apt-get install (`foo`, `foo:i386`, `foo=1.2`, `foo/bookworm-backports`) is installed. dpkg does
   * not record suites: with one, true only if it is of backports and the version is one of those for its release.
   */
  isInstalled(wanted: string): boolean {
    const { name, version, suite } = parseWanted(wanted);
    const found = this.get(name);
    return (
      found?.status === "installed" &&
      (suite === undefined || isBackport(found.version, suite)) &&
      (version === undefined || version === found.version)
    );
  }

  /** Whether the package is at least partly installed. Configuration files alone do not count. */
  isPresent(name: string): boolean {
    const found = this.get(name);
    return found !== undefined && found.status !== "config-files" && found.status !== "not-installed";
  }

  /** These packages after what apt-get has simulated, with those of `manual` marked as installed by hand. */
  after(simulated: readonly string[], manual: readonly string[] = []): Packages {
    const all = new Map(this.#byName);
    for (const line of simulated) {
      const [, verb, name = "", , version = "", arch = ""] = SIMULATED.exec(line) ?? [];
      const key = `${name.split(":")[0]}:${arch === "all" || arch === "" ? this.#native : arch}`;
      const found = all.get(key);
      if (verb === "Inst")
        all.set(key, {
          name: name.split(":")[0] ?? name,
          arch,
          version,
          status: "installed",
          auto: found?.auto ?? true,
        });
      if (verb === "Remv" && found) all.set(key, { ...found, status: "config-files" });
    }
    const auto = new Set([...all].filter(([, each]) => each.auto).map(([key]) => key));
    for (const { name } of manual.map(parseWanted))
      auto.delete(name.includes(":") ? name : `${name}:${this.#native}`);
    return new Packages(all.values(), auto);
  }

  /** The differences from `before`, one for each package whose version differs. */
  changesSince(before: Packages): HostChange[] {
    const version = (each: Package | undefined) =>
      each && each.status !== "config-files" && each.status !== "not-installed" ? each.version : undefined;
    return [...new Set([...before.#byName.keys(), ...this.#byName.keys()])].flatMap((key) => {
      const [from, to] = [version(before.#byName.get(key)), version(this.#byName.get(key))];
      if (from === to) return [];
      const name = key.endsWith(`:${this.#native}`) ? key.slice(0, key.lastIndexOf(":")) : key;
      return [
        {
          kind: "package",
          name,
          version: { ...(from !== undefined && { from }), ...(to !== undefined && { to }) },
        } as const,
      ];
    });
  }

  /** As dpkg and apt record them, as far as it is read here. */
  get records(): { status: string; states: string; listing: string } {
    const all = [...this.#byName];
    return {
      status: all
        .map(
          ([, { name, arch, version, status }]) =>
            `Package: ${name}\nStatus: install ok ${status}\nArchitecture: ${arch}\nVersion: ${version}\n`,
        )
        .join("\n"),
      states: all
        .filter(([, { auto }]) => auto)
        .map(([key]) => `Package: ${key.replace(/:(.*)$/, "\nArchitecture: $1")}\nAuto-Installed: 1\n`)
        .join("\n"),
      listing: all
        .map(([, { name, arch, version, status }]) => `${name}\t${arch}\t${version}\t${status}\n`)
        .join(""),
    };
  }

  /** Packages that dpkg has unpacked but not configured. */
  unconfigured(): Package[] {
    const pending = new Set(["unpacked", "half-configured", "triggers-awaited", "triggers-pending"]);
    return [...this.#byName.values()].filter(({ status }) => pending.has(status));
  }
}

/** Whether `version` is one for the backports `suite`, such as "bookworm-backports": they end in `~bpo12+1`. */
function isBackport(version: string, suite: string): boolean {
  const [, release = ""] = /^([a-z]+)-backports(?:-sloppy)?$/.exec(suite) ?? [];
  const [, number] = /~bpo(\d+)\+\d+$/.exec(version) ?? [];
  return release !== "" && number !== undefined && Number(number) === (numberOf(release) ?? Number(number));
}

/** `Inst foo [1.0] (1.1 Debian:12.5/stable [amd64])`, `Remv foo [1.0]`. */
const SIMULATED = /^(Inst|Remv) (\S+)(?: \[([^\]]*)\])?(?: \((\S+).*?\[([^\]]+)\]\))?/;

/** The parts of an argument of apt-get install: `name[:arch][=version | /suite]`. */
export function parseWanted(wanted: string): { name: string; version?: string; suite?: string } {
  const [, name = wanted, sign, rest = ""] = /^([^=/]+)([=/])(.*)$/.exec(wanted) ?? [];
  return { name, ...(sign === "=" && { version: rest }), ...(sign === "/" && { suite: rest }) };
}

const statusFile = "/var/lib/dpkg/status";
/** What dpkg has recorded since it last wrote the status file: files with numbers for names, left when it was interrupted. */
const updatesDirectory = "/var/lib/dpkg/updates";
const statesFile = "/var/lib/apt/extended_states";

/** The packages of the machine. Cached until the records change. */
export function packages(target: PosixTarget): Promise<Packages> {
  return target.kind === "agent" ? fromFiles(target) : fromCommand(target);
}

interface CachedPackages {
  readonly key: string;
  readonly packages: Packages;
}
const cacheKey = "apt/packages";

async function fromFiles(target: PosixTarget): Promise<Packages> {
  const [status, states, updates] = await Promise.all(
    [statusFile, statesFile, updatesDirectory].map((file) => target.stat(file)),
  );
  const key = [status, states, updates]
    .map((stat) => stat && `${stat.id} ${stat.size} ${stat.mtime}`)
    .join("\n");
  const known = target.memory.get(cacheKey) as CachedPackages | undefined;
  if (known?.key === key) return known.packages;
  if (!status) throw noDpkg(target);
  const names = ((await target.list(updatesDirectory)) ?? []).filter((name) => /^\d+$/.test(name)).sort();
  const [text, extended, ...later] = await Promise.all([
    target.readFile(statusFile),
    states ? target.readFile(statesFile) : "",
    ...names.map((name) => target.readBytes(`${updatesDirectory}/${name}`)),
  ]);
  const all = [text, ...later.map((each) => each?.toString("utf8") ?? "")].flatMap(parseStatus);
  return cache(target, key, new Packages(all, parseExtendedStates(extended)));
}

async function fromCommand(target: PosixTarget): Promise<Packages> {
  const known = target.memory.get(cacheKey) as CachedPackages | undefined;
  const options = { mayFail: true, about: aboutPackages };
  const [current, first] = await Promise.all([
    target.query(currentKey, options),
    known ? undefined : target.query(listing, options),
  ]);
  if (known?.key === current.stdout) return known.packages;
  const { stdout, exit } = first ?? (await target.query(listing, options));
  if (exit !== 0) throw noDpkg(target);
  const [key = "", ...rest] = stdout.split("\n");
  const [listed = "", extended = ""] = rest.join("\n").split("\n--\n");
  return cache(target, key, new Packages(parseListing(listed), parseExtendedStates(extended)));
}

/** The next question about packages reads all records again. */
export const forgetPackages = (target: PosixTarget): void => void target.memory.delete(cacheKey);

/** What the records of the packages depend on. */
export const aboutPackages: HostParts = {
  packages: true,
  paths: [statusFile, statesFile, updatesDirectory],
};

/** From now on `model` has these packages; `key` is that of no other records. */
export async function predictPackages(model: PlanModel, after: Packages, key: string): Promise<void> {
  const { status, states, listing: lines } = after.records;
  model.mayChange({ packages: true });
  if (model.kind === "agent") {
    await model.writeFile(statusFile, status);
    await model.writeFile(statesFile, states);
    // Its journal is empty when dpkg has finished.
    await model.remove(updatesDirectory, { recursive: true });
    await model.makeDirectory(updatesDirectory);
    return;
  }
  model.answer(currentKey, { stdout: key }, { packages: true });
  model.answer(listing, { stdout: `${key}\n${lines}--\n${states}` }, { packages: true });
}

/** Prints a key that changes with the records; nothing where there are none. */
const currentKey = `stat -Lc '%d:%i %s %.Y' ${statusFile} ${statesFile} ${updatesDirectory} 2>/dev/null | tr '\\n' ' '`;

/** Prints the key in a line, and the records. */
const listing = `
key=$(${currentKey})
[ -n "$key" ] || exit 1
echo "$key"
dpkg-query -W -f='\${Package}\\t\${Architecture}\\t\${Version}\\t\${db:Status-Status}\\n' || exit 1
echo --
cat ${statesFile} 2>/dev/null
true`;

function cache(target: PosixTarget, key: string, packages: Packages): Packages {
  target.memory.set(cacheKey, { key, packages } satisfies CachedPackages);
  return packages;
}

const noDpkg = (target: PosixTarget): FailedChange =>
  new FailedChange(
    `${target.host.name} has no ${statusFile}; is it a Debian system, as its os property declares?`,
  );

/** Parses dpkg's status file. */
export function parseStatus(text: string): Omit<Package, "auto">[] {
  return stanzas(text).map((stanza) => ({
    name: field(stanza, "Package"),
    arch: field(stanza, "Architecture"),
    version: field(stanza, "Version"),
    status: field(stanza, "Status").split(" ").at(-1) ?? "",
  }));
}

/** Parses the output of dpkg-query. */
export function parseListing(text: string): Omit<Package, "auto">[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", arch = "", version = "", status = ""] = line.split("\t");
      return { name, arch, version, status };
    });
}

/** Parses apt's record of packages that were only installed as dependencies, as `name:arch`. */
export function parseExtendedStates(text: string): Set<string> {
  return new Set(
    stanzas(text)
      .filter((stanza) => field(stanza, "Auto-Installed") === "1")
      .map((stanza) => `${field(stanza, "Package")}:${field(stanza, "Architecture")}`),
  );
}

const stanzas = (text: string): string[] => text.split(/\n{2,}/).filter((stanza) => stanza.trim() !== "");

/** The value of a field with one line. Not a regular expression, for speed: every deployment parses the file. */
function field(stanza: string, name: string): string {
  const label = `${name}: `;
  const at = stanza.startsWith(label) ? 0 : stanza.indexOf(`\n${label}`) + 1;
  if (at === 0 && !stanza.startsWith(label)) return "";
  const end = stanza.indexOf("\n", at);
  return stanza.slice(at + label.length, end < 0 ? undefined : end).trim();
}
