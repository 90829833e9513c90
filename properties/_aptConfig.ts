/** apt's package sources and configuration files. */
import {
  attribute,
  type Change,
  defprop,
  defproplist,
  type HostFacts,
  InapplicableProperty,
  type PosixTarget,
  schema,
} from "consfigurator";
import { serviceInstalledRunning } from "./_aptPackages";
import { conflictsWith, debianSources } from "./_aptSources";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { list, object, string } = schema;

const uri = () =>
  string({
    pattern: '^[a-z][a-z0-9+.-]*:[^\\s"]+$',
    description: 'a URI, such as "http://deb.debian.org/debian"',
  });
const suite = () =>
  string({ pattern: "^[a-z][a-z0-9./-]*$", description: 'a suite, such as "bookworm-proposed-updates"' });

const declaredMirrors = attribute<string>("apt.mirrors");
const declaredProxy = attribute<string>("apt.proxy");
const declaredSuites = attribute<string>("apt.additionalSuites");

/** The mirrors declared for `host`, or the default of its operating system. */
export function getMirrors(host: HostFacts): readonly string[] {
  const declared = host.all(declaredMirrors);
  return declared.length > 0 ? declared : ["http://deb.debian.org/debian"];
}

/**
 * Declares the package mirrors `uris`, the preferred one first. `apt.standardSourcesList` writes them to the host.
 *
 * @example apt.mirrors("http://ftp.de.debian.org/debian")
 */
export const mirrors = defprop({
  name: "apt.mirrors",
  kind: "posix",
  args: object({ uris: list(uri(), { minItems: 1 }) }),
  call: (...uris: string[]) => ({ uris }),
  desc: ({ uris }) => `package mirrors ${uris.join(", ")}`,
  hostattrs: ({ uris }, host) => {
    os.required(host, "debianlike");
    host.pushNew(declaredMirrors, ...uris);
  },
});

/**
 * apt uses the HTTP proxy `uri`.
 *
 * @example apt.proxy("http://proxy.example.org:3142")
 */
export const proxy = defprop({
  name: "apt.proxy",
  kind: "posix",
  args: object({ uri: uri() }),
  call: (uri: string) => ({ uri }),
  desc: ({ uri }) => `apt proxy ${uri}`,
  hostattrs: ({ uri }, host) => {
    os.required(host, "debianlike");
    host.pushNew(declaredProxy, uri);
  },
  apply: ({ uri }, target) => configuration(target, "20proxy", [`Acquire::HTTP::Proxy "${uri}";`]),
  unapply: (_args, target) => target.remove(configurationFile("20proxy")),
});

/**
 * Declares the package mirrors of the host that contains this one, in its order; none if that declares none. As with
 * `apt.mirrors`, `apt.standardSourcesList` writes them to the host.
 *
 * @example apt.usesParentMirrors()
 */
export const usesParentMirrors = defprop({
  name: "apt.usesParentMirrors",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "package mirrors of the containing host",
  hostattrs: (_args, host) => {
    os.required(host, "debianlike");
    host.pushNew(declaredMirrors, ...parentOf(host, "apt.mirrors").all(declaredMirrors));
  },
});

/**
 * apt uses the HTTP proxy of the host that contains this one; refused if that declares none.
 *
 * @example apt.usesParentProxy()
 */
export const usesParentProxy = defproplist({
  name: "apt.usesParentProxy",
  args: object({}),
  call: () => ({}),
  desc: () => "apt proxy of the containing host",
  hostattrs: (_args, host) => void parentProxy(host),
  parts: (_args, host) => [proxy(parentProxy(host))],
});

function parentProxy(host: HostFacts): string {
  const parent = parentOf(host, "apt.proxy");
  const found = parent.newest(declaredProxy);
  if (found !== undefined) return found;
  throw new InapplicableProperty(
    `${parent.name}, which contains this host, declares no proxy; put apt.proxy("http://proxy.example.org:3142") into it before the property that deploys this host`,
  );
}

function parentOf(host: HostFacts, instead: string): HostFacts {
  if (host.parent) return host.parent;
  throw new InapplicableProperty(
    `${host.name} is inside no other host; only hosts made with makeChildHost are. Use ${instead} here`,
  );
}

/**
 * apt-cacher-ng is installed and runs, and apt uses it as its proxy: packages that several chroots and containers install
 * are downloaded once. It answers other machines, too, unless its own configuration says otherwise. Unapplying it only ends
 * the use of the proxy.
 *
 * @example apt.usesLocalCacher()
 */
export const usesLocalCacher = defproplist({
  name: "apt.usesLocalCacher",
  args: object({}),
  call: () => ({}),
  desc: () => "apt proxy on the host itself",
  parts: () => [serviceInstalledRunning("apt-cacher-ng"), proxy(localCacher)],
  unapply: (_args, _target, steps) => steps.unapply(proxy(localCacher)),
});

const localCacher = "http://127.0.0.1:3142";

/**
 * apt downloads whole package lists instead of diffs, which is faster on a fast connection.
 *
 * @example apt.noPdiffs()
 */
export const noPdiffs = defprop({
  name: "apt.noPdiffs",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "whole package lists instead of diffs",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  apply: (_args, target) => configuration(target, "20pdiffs", ['Acquire::PDiffs "false";']),
  unapply: (_args, target) => target.remove(configurationFile("20pdiffs")),
});

/**
 * apt updates its package lists and downloads upgrades daily. It does not install them.
 *
 * @example apt.periodicUpdates()
 */
export const periodicUpdates = defprop({
  name: "apt.periodicUpdates",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "package lists updated daily",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  apply: (_args, target) => {
    const keys = ["Enable", "Update-Package-Lists", "Download-Upgradeable-Packages", "Verbose"];
    return configuration(
      target,
      "02periodic",
      keys.map((key) => `APT::Periodic::${key} "1";`),
    );
  },
  unapply: (_args, target) => target.remove(configurationFile("02periodic")),
});

/**
 * Declares further `suites` that packages come from. `apt.standardSourcesList` writes them to the host.
 *
 * @example apt.additionalSuites("bookworm-proposed-updates")
 */
export const additionalSuites = defprop({
  name: "apt.additionalSuites",
  kind: "posix",
  args: object({ suites: list(suite(), { minItems: 1 }) }),
  call: (...suites: string[]) => ({ suites }),
  desc: ({ suites }) => `additional package suites ${suites.join(", ")}`,
  hostattrs: ({ suites }, host) => {
    os.required(host, "debianlike");
    host.pushNew(declaredSuites, ...suites);
  },
});

/**
 * Debian's standard sources are configured in /etc/apt/sources.list.d/debian.sources: the suite of the host, its
 * updates, backports and security fixes where they exist, the mirrors of `apt.mirrors` and the suites of
 * `apt.additionalSuites`. /etc/apt/sources.list is emptied. Other files that list the same archive are moved to
 * /etc/apt/sources.list.d.replaced, since apt refuses conflicting entries for one archive.
 *
 * @example apt.standardSourcesList()
 */
export const standardSourcesList = defprop({
  name: "apt.standardSourcesList",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "standard package sources",
  hostattrs: (_args, host) => os.required(host, "debian"),
  check: async (_args, target) => {
    const [oneLine, present, conflicts] = await Promise.all([
      target.stat(sourcesList),
      target.readBytes(sourcesFile),
      conflictingSources(target),
    ]);
    return oneLine?.size === 0 && present?.toString() === sources(target.host) && conflicts.length === 0;
  },
  apply: async (_args, target) => {
    await needsRoot(target, "apt.standardSourcesList");
    for (const name of await conflictingSources(target)) await setAside(target, name);
    await target.ensureContent(sourcesFile, sources(target.host));
    await target.ensureContent(sourcesList, "");
    return "changed";
  },
});

const sourcesList = "/etc/apt/sources.list";
const sourcesDirectory = "/etc/apt/sources.list.d";
const sourcesFile = `${sourcesDirectory}/debian.sources`;
const replaced = "/etc/apt/sources.list.d.replaced";

function sources(host: HostFacts): string {
  const value = os.of(host);
  return debianSources({
    suite: value ? os.debianSuite(value) : "",
    stable: os.runs(host, "debianStable"),
    testing: os.runs(host, "debianTesting"),
    mirrors: getMirrors(host),
    additional: host.all(declaredSuites).toReversed(),
  });
}

/** Names of other source files that list an archive and suite of ours. */
async function conflictingSources(target: PosixTarget): Promise<string[]> {
  const names = ((await target.list(sourcesDirectory)) ?? []).filter(
    (name) => /\.(list|sources)$/.test(name) && `${sourcesDirectory}/${name}` !== sourcesFile,
  );
  const texts = await Promise.all(names.map((name) => target.readFile(`${sourcesDirectory}/${name}`)));
  return names.filter((_name, index) => conflictsWith(texts[index] ?? "", sources(target.host)));
}

async function setAside(target: PosixTarget, name: string): Promise<void> {
  await target.makeDirectory(replaced);
  const taken = new Set(await target.list(replaced));
  let unique = name;
  for (let number = 2; taken.has(unique); number++) unique = `${name}.${number}`;
  await target.rename(`${sourcesDirectory}/${name}`, `${replaced}/${unique}`);
  target.inform(`moved ${sourcesDirectory}/${name} to ${replaced}/${unique}\n`);
}

/** The path of the file `name` of apt's configuration. */
export const configurationFile = (name: string): string => `/etc/apt/apt.conf.d/${name}`;
const configuration = (target: PosixTarget, name: string, lines: readonly string[]): Promise<Change> =>
  target.ensureContent(configurationFile(name), lines.map((line) => `${line}\n`).join(""));
