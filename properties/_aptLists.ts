/** The lists of packages, and upgrades of what is installed. */
import { type CommandResult, defprop, FailedChange, type PosixTarget, schema } from "consfigurator";
import {
  aptGet,
  changedSince,
  changePackages,
  configurePending,
  failed,
  packagesFingerprint,
  simulate,
  updateArgs,
} from "./_aptGet";
import { packages } from "./_dpkg";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { object } = schema;

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
