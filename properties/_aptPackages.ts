/** Packages that are installed, or not, on Debian and its derivatives. */
import {
  defprop,
  defproplist,
  type HostFacts,
  InapplicableProperty,
  type PosixTarget,
  schema,
} from "consfigurator";
import { changePackages, reconfigure } from "./_aptGet";
import {
  areManuallyInstalled,
  byNames,
  install,
  type Names,
  notInstalled,
  packageName,
  plainName,
} from "./_aptInstall";
import { forgetPackages, packages } from "./_dpkg";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { running } from "./service";

export type { Names };

const { list, object, string } = schema;

const packageArgs = object({ names: list(packageName()) });
const plainArgs = object({ names: list(plainName()) });

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

/** `names` as arguments of apt-get that mean the version of each in the backports for `host`. */
function fromBackports(host: HostFacts, names: readonly string[]): string[] {
  const value = os.of(host);
  if (!value) throw new InapplicableProperty(`${host.name} has no operating system declared`);
  return names.map((name) => `${name}/${os.debianSuite(value)}-backports`);
}

/**
 * Each of the packages `names` is installed from the backports for the suite of the host, and marked as manually
 * installed. A package counts as backported by its version, such as `1.2-3~bpo12+1`. Dependencies are taken from the
 * suite itself unless they are named, too. `apt.standardSourcesList` makes the backports available.
 *
 * @example apt.backportsInstalled("git", "git-man")
 */
export const backportsInstalled = defprop({
  name: "apt.backportsInstalled",
  kind: "posix",
  args: plainArgs,
  call: byNames,
  desc: ({ names }) => `installed from backports: ${names.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "debianStable"),
  check: ({ names }, target) => areManuallyInstalled(target, fromBackports(target.host, names)),
  apply: ({ names }, target) =>
    install(target, "apt.backportsInstalled", fromBackports(target.host, names), []),
  verify: ({ names }, target) => notInstalled(target, names),
});

/**
 * Like `apt.backportsInstalled`, without recommended packages.
 *
 * @example apt.backportsInstalledMinimally("systemd", "libsystemd0")
 */
export const backportsInstalledMinimally = defprop({
  name: "apt.backportsInstalledMinimally",
  kind: "posix",
  args: plainArgs,
  call: byNames,
  desc: ({ names }) => `installed from backports without recommendations: ${names.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "debianStable"),
  check: ({ names }, target) => areManuallyInstalled(target, fromBackports(target.host, names)),
  apply: ({ names }, target) =>
    install(target, "apt.backportsInstalledMinimally", fromBackports(target.host, names), [
      "--no-install-recommends",
    ]),
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
  args: plainArgs,
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

/**
 * What this deployment has read about the packages of the host is read anew. Only needed after the records of dpkg were
 * replaced as a whole, since any other change to them is noticed.
 *
 * @example apt.knownInstalledRemovedPackagesReset()
 */
export const knownInstalledRemovedPackagesReset = defprop({
  name: "apt.knownInstalledRemovedPackagesReset",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "packages read anew",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  apply: async (_args, target) => {
    forgetPackages(target);
    return "unchanged";
  },
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
