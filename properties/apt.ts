/** Packages on Debian and its derivatives, through apt-get and dpkg. */
import {
  type CommandResult,
  defprop,
  defproplist,
  FailedChange,
  type PosixTarget,
  schema,
} from "consfigurator";
import {
  aptGet,
  changedSince,
  changePackages,
  configurePending,
  failed,
  packagesFingerprint,
  reconfigure,
  simulate,
  updateArgs,
} from "./_aptGet";
import { aboutPackages, packages, parseWanted, predictPackages } from "./_dpkg";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { running } from "./service";

const { list, object, string } = schema;

export * from "./_aptConfig";

/** Names of packages; nested lists are flattened. */
export type Names = string | readonly Names[];
const flat = (names: Names): string[] => (typeof names === "string" ? [names] : names.flatMap(flat));

/** An argument of apt-get install, except what it would take for an option, a glob or a removal (a final "-"). */
const packageName = () =>
  string({
    pattern: "^[a-z0-9][a-z0-9+.-]*(?<!-)(:[a-z0-9-]+)?(=[A-Za-z0-9.+~:-]+|/[a-z0-9./-]+)?$",
    description: 'a package, such as "git", "libc6:i386", "git=1:2.39.5-0" or "git/bookworm-backports"',
  });
const plainName = () =>
  string({
    pattern: "^[a-z0-9][a-z0-9+.-]*(?<!-)(:[a-z0-9-]+)?$",
    description: 'a package, such as "git" or "libc6:i386"',
  });
const packageArgs = object({ names: list(packageName()) });
const byNames = (...names: Names[]) => ({ names: flat(names) });

/**
 * Each of the packages `names` is installed and marked as manually installed, so that it is not removed with packages
 * that depend on it. Only missing packages are passed to apt-get.
 *
 * @example apt.installed("nginx", "postgresql")
 */
export const installed = defprop({
  name: "apt.installed",
  kind: "posix",
  args: packageArgs,
  call: byNames,
  desc: ({ names }) => `installed: ${names.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  check: ({ names }, target) => areManuallyInstalled(target, names),
  apply: ({ names }, target) => install(target, "apt.installed", names, []),
  verify: ({ names }, target) => notInstalled(target, names),
});

/**
 * Like `apt.installed`, without recommended packages.
 *
 * @example apt.installedMinimally("postfix")
 */
export const installedMinimally = defprop({
  name: "apt.installedMinimally",
  kind: "posix",
  args: packageArgs,
  call: byNames,
  desc: ({ names }) => `installed without recommendations: ${names.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  check: ({ names }, target) => areManuallyInstalled(target, names),
  apply: ({ names }, target) => install(target, "apt.installedMinimally", names, ["--no-install-recommends"]),
  verify: ({ names }, target) => notInstalled(target, names),
});

/**
 * None of the packages `names` is installed. Their configuration files and their dependencies stay: see
 * `apt.autoremoved`. A name that apt does not know counts as not installed.
 *
 * @example apt.removed("exim4-base")
 */
export const removed = defprop({
  name: "apt.removed",
  kind: "posix",
  args: object({ names: list(plainName()) }),
  call: byNames,
  desc: ({ names }) => `not installed: ${names.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  check: ({ names }, target) => noneInstalled(target, ...names),
  apply: async ({ names }, target) => {
    const known = await packages(target);
    return changePackages(target, "apt.removed", [
      "-y",
      "remove",
      ...names.filter((name) => known.isPresent(name)),
    ]);
  },
});

/**
 * All unpacked packages are configured.
 *
 * @example apt.allConfigured()
 */
export const allConfigured = defprop({
  name: "apt.allConfigured",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "all packages configured",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  check: async (_args, target) => (await packages(target)).unconfigured().length === 0,
  apply: async (_args, target) => {
    await needsRoot(target, "apt.allConfigured");
    const before = await packagesFingerprint(target);
    const result = await configurePending(target);
    if (result.exit !== 0) throw failed(["dpkg", "--configure", "--pending"], result);
    return changedSince(before, await packagesFingerprint(target));
  },
});

/**
 * The package lists are up to date with the sources, and all unpacked packages are configured. Changed when the lists
 * differ from before.
 *
 * @example apt.updated()
 */
export const updated = defprop({
  name: "apt.updated",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "package lists up to date",
  hostattrs: (_args, host) => os.required(host, "debian"),
  apply: async (_args, target) => {
    await needsRoot(target, "apt.updated");
    const before = await listsFingerprint(target);
    const pending = (await packages(target)).unconfigured().length > 0;
    // A package that cannot be configured must not block the update: new lists may have the fix.
    const configured = pending ? await configurePending(target) : undefined;
    const stable = os.runs(target.host, "debianStable");
    const args = [...updateArgs, ...(stable ? [] : ["--allow-releaseinfo-change"])];
    const result = await aptGet(target, args, {
      unpredictable: "whether the lists have changed is known once they are fetched",
      touches: { paths: ["/var/lib/apt/lists"] },
    });
    if (result.exit !== 0) throw updateFailure(args, result);
    if (configured && configured.exit !== 0) throw failed(["dpkg", "--configure", "--pending"], configured);
    return pending ? "changed" : changedSince(before, await listsFingerprint(target));
  },
});

/**
 * Every installed package is the newest version in the lists; other packages are installed or removed as needed. Does
 * not update the lists: see `apt.updated`.
 *
 * @example apt.upgraded()
 */
export const upgraded = defprop({
  name: "apt.upgraded",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "packages up to date",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  check: async (_args, target) => (await simulate(target, ["dist-upgrade"])).length === 0,
  apply: (_args, target) => changePackages(target, "apt.upgraded", ["-y", "dist-upgrade"]),
});

/**
 * No package is installed that was only a dependency of removed packages.
 *
 * @example apt.autoremoved()
 */
export const autoremoved = defprop({
  name: "apt.autoremoved",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "no unneeded packages",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  check: async (_args, target) => (await simulate(target, ["autoremove"])).length === 0,
  apply: (_args, target) => changePackages(target, "apt.autoremoved", ["-y", "autoremove"]),
});

/**
 * apt's cache of downloaded packages is empty.
 *
 * @example apt.cacheCleaned()
 */
export const cacheCleaned = defprop({
  name: "apt.cacheCleaned",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "empty cache of downloaded packages",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  apply: async (_args, target) => {
    await needsRoot(target, "apt.cacheCleaned");
    await target.run(["apt-get", "clean"], { predict: () => undefined });
    return "unchanged";
  },
});

/**
 * Reconfigures the package `name` with `answers` to debconf's questions: `[template, type, value]` each. Runs and
 * counts as a change each time, so use it in `onChange`.
 *
 * @example onChange(apt.installed("unattended-upgrades"), apt.reconfigured("unattended-upgrades", ["unattended-upgrades/enable_auto_updates", "boolean", "true"]))
 */
export const reconfigured = defprop({
  name: "apt.reconfigured",
  kind: "posix",
  args: object({
    name: plainName(),
    answers: list(list(string({ pattern: "^[^\\n]*$" }), { minItems: 3, maxItems: 3 })),
  }),
  call: (name: string, ...answers: [template: string, type: string, value: string][]) => ({ name, answers }),
  desc: ({ name }) => `${name} reconfigured`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  apply: async ({ name, answers }, target) => {
    await needsRoot(target, "apt.reconfigured");
    await reconfigure(target, name, answers as [string, string, string][]);
    return "changed";
  },
});

/**
 * The package `name` is installed, and the service of the same name runs.
 *
 * @example apt.serviceInstalledRunning("cron")
 */
export const serviceInstalledRunning = defproplist({
  name: "apt.serviceInstalledRunning",
  args: object({ name: plainName() }),
  call: (name: string) => ({ name }),
  desc: ({ name }) => `${name} installed and running`,
  parts: ({ name }) => [installed(name), running(name)],
});

/** Whether each of the packages `names` is installed, for use by other properties. */
export async function allInstalled(target: PosixTarget, ...names: string[]): Promise<boolean> {
  const known = await packages(target);
  return names.every((name) => known.isInstalled(name));
}

/** Whether none of the packages `names` is installed, even partly, for use by other properties. */
export async function noneInstalled(target: PosixTarget, ...names: string[]): Promise<boolean> {
  const known = await packages(target);
  return !names.some((name) => known.isPresent(name));
}

async function areManuallyInstalled(target: PosixTarget, names: readonly string[]): Promise<boolean> {
  const known = await packages(target);
  return names.every((name) => known.isInstalled(name) && !known.get(parseWanted(name).name)?.auto);
}

/** Which of `names` dpkg does not have after an installation; undefined when it has all, or packages that provide them. */
async function notInstalled(target: PosixTarget, names: readonly string[]): Promise<string | undefined> {
  const known = await packages(target);
  const missing = names.filter((wanted) => {
    const { name, version } = parseWanted(wanted);
    // dpkg does not record suites.
    return !known.isInstalled(version === undefined ? name : `${name}=${version}`);
  });
  const unknown = missing.filter((wanted) => !known.isPresent(parseWanted(wanted).name));
  const provided = unknown.length > 0 ? await providedNames(target) : new Set<string>();
  const wrong = missing.filter((wanted) => !provided.has(parseWanted(wanted).name));
  if (wrong.length === 0) return undefined;
  const seen = wrong.map((wanted) => {
    const found = known.get(parseWanted(wanted).name);
    return `${wanted} is ${found ? `${found.status}, version ${found.version}` : "not installed"}`;
  });
  return `${seen.join(", ")}; see \`dpkg --audit\` on ${target.host.name}`;
}

/** Names, also of virtual packages, that installed packages provide. */
async function providedNames(target: PosixTarget): Promise<Set<string>> {
  const format = "${db:Status-Status} ${Provides}\\n";
  const { stdout } = await target.query(["dpkg-query", "-W", "-f", format], { about: aboutPackages });
  const lines = stdout.split("\n").filter((line) => line.startsWith("installed "));
  return new Set(lines.flatMap((line) => line.slice(10).split(/, */)).map((each) => each.replace(/ .*/, "")));
}

/** Names the sources that could not be used. */
function updateFailure(args: readonly string[], result: CommandResult): FailedChange {
  const problems = result.stderr.split("\n").filter((line) => /^(E|W|Err): ?/.test(line));
  const sources = problems.filter((line) => /Failed to fetch|The repository|GPG error/.test(line));
  const shown = (sources.length > 0 ? sources : problems).map((line) => line.replace(/^\w+: /, "").trim());
  return new FailedChange(
    `apt could not update the lists of every source: ${shown.slice(0, 3).join("; ")}; correct the source, or its network`,
    { cause: failed(["apt-get", ...args], result) },
  );
}

async function install(
  target: PosixTarget,
  property: string,
  names: readonly string[],
  options: readonly string[],
) {
  await needsRoot(target, property);
  const before = await packages(target);
  const missing = names.filter((name) => !before.isInstalled(name));
  const change =
    missing.length > 0
      ? await changePackages(target, property, ["-y", ...options, "install", ...missing], missing)
      : "unchanged";
  const after = await packages(target);
  const automatic = names.map((name) => parseWanted(name).name).filter((name) => after.get(name)?.auto);
  if (automatic.length === 0) return change;
  await target.run(["apt-mark", "manual", ...automatic], {
    predict: async (model) => {
      await predictPackages(model, after.after([], automatic), `manual ${automatic.join(" ")}`);
      return undefined;
    },
  });
  return "changed";
}

/** A fingerprint of the lists: apt gives each list the modification time of its source. */
async function listsFingerprint(target: PosixTarget): Promise<string> {
  const directory = "/var/lib/apt/lists";
  if (target.kind !== "agent") {
    const files = `find ${directory} -maxdepth 1 -type f ! -name lock -printf '%f %s %T@\\n'`;
    const options = { mayFail: true, about: { paths: [directory] } };
    return (await target.query(`${files} | sort | cksum`, options)).stdout;
  }
  const names = ((await target.list(directory)) ?? []).filter((name) => name !== "lock");
  const stats = await Promise.all(names.map((name) => target.stat(`${directory}/${name}`)));
  return names
    .map((name, index) => ({ name, stat: stats[index] }))
    .filter(({ stat }) => stat?.type === "file")
    .map(({ name, stat }) => `${name} ${stat?.size} ${stat?.mtime}`)
    .join("\n");
}
