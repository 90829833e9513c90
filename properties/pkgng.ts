/** Packages on FreeBSD, through pkg(8). */
import {
  type Change,
  defprop,
  type HostChange,
  type PlanModel,
  type PosixTarget,
  schema,
} from "consfigurator";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { list, object, string } = schema;

/** A package, as an argument of pkg. */
const packageName = () =>
  string({
    pattern: "^[A-Za-z0-9][A-Za-z0-9_.+-]*(/[A-Za-z0-9_.+-]+)?$",
    description: 'a package, such as "nginx" or "www/nginx"',
  });
type Names = string | readonly Names[];
const flat = (names: Names): string[] => (Array.isArray(names) ? names.flatMap(flat) : [names as string]);
const packageArgs = object({ names: list(packageName()) });
const byNames = (...names: Names[]) => ({ names: flat(names) });

/**
 * Each of the packages `names` is installed: names such as "nginx", or origins such as "www/nginx". Only missing packages
 * are passed to pkg, which installs itself first where it is missing.
 *
 * @example pkgng.installed("nginx", "postgresql16-server")
 */
export const installed = defprop({
  name: "pkgng.installed",
  kind: "posix",
  args: packageArgs,
  call: byNames,
  desc: ({ names }) => `installed: ${names.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  check: async ({ names }, target) => missingFrom(await packages(target), names).length === 0,
  apply: async ({ names }, target) => {
    const missing = missingFrom(await packages(target), names);
    if (missing.length === 0) return "unchanged";
    return changePackages(target, "pkgng.installed", ["install", "-y", ...missing], (before) => [
      ...before,
      ...missing.map((name) => ({ name, version: "", origin: name })),
    ]);
  },
});

/**
 * None of the packages `names` is installed. Packages that need one of them are deleted, too.
 *
 * @example pkgng.deleted("sendmail")
 */
export const deleted = defprop({
  name: "pkgng.deleted",
  kind: "posix",
  args: packageArgs,
  call: byNames,
  desc: ({ names }) => `not installed: ${names.join(", ")}`,
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  check: async ({ names }, target) => presentIn(await packages(target), names).length === 0,
  apply: async ({ names }, target) => {
    const present = presentIn(await packages(target), names);
    if (present.length === 0) return "unchanged";
    return changePackages(target, "pkgng.deleted", ["delete", "-y", ...present], (before) =>
      before.filter((each) => !present.some((name) => isCalled(each, name))),
    );
  },
});

/**
 * The catalogue of packages is up to date with the repositories.
 *
 * @example pkgng.updated()
 */
export const updated = defprop({
  name: "pkgng.updated",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "catalogue of packages up to date",
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  apply: async (_args, target) => {
    await needsRoot(target, "pkgng.updated");
    const { stdout } = await target.run(["pkg", "update"], {
      env: noQuestions,
      inform: true,
      unpredictable: "whether the catalogue has changed is known once it is fetched",
      touches: { paths: ["/var/db/pkg"] },
    });
    return /\bis up to date\b/.test(stdout) && !/\bupdate completed\b/.test(stdout) ? "unchanged" : "changed";
  },
});

/**
 * Every installed package is the newest version in the catalogue that the host has. Does not update the catalogue: see
 * `pkgng.updated`.
 *
 * @example pkgng.upgraded()
 */
export const upgraded = defprop({
  name: "pkgng.upgraded",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "packages up to date",
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  check: (_args, target) =>
    // Its exit code is 0 when there is nothing to do; -U: a question does not update the catalogue.
    target.succeeds(["pkg", "upgrade", "-q", "-n", "-U"], aboutPackages),
  apply: (_args, target) => changePackages(target, "pkgng.upgraded", ["upgrade", "-y", "-U"]),
});

/**
 * No package is installed that was only a dependency of deleted packages.
 *
 * @example pkgng.autoremoved()
 */
export const autoremoved = defprop({
  name: "pkgng.autoremoved",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "no unneeded packages",
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  check: async (_args, target) =>
    (
      await target.query(["pkg", "autoremove", "-q", "-n"], { mayFail: true, ...aboutPackages })
    ).stdout.trim() === "",
  apply: (_args, target) => changePackages(target, "pkgng.autoremoved", ["autoremove", "-y"]),
});

async function cleaned(target: PosixTarget, property: string, options: readonly string[]): Promise<Change> {
  await needsRoot(target, property);
  await target.run(["pkg", "clean", "-y", ...options], { env: noQuestions, predict: () => undefined });
  return "unchanged";
}

/**
 * pkg's cache has no packages that are out of date.
 *
 * @example pkgng.cacheCleaned()
 */
export const cacheCleaned = defprop({
  name: "pkgng.cacheCleaned",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "no old packages in the cache",
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  apply: (_args, target) => cleaned(target, "pkgng.cacheCleaned", []),
});

/**
 * pkg's cache of downloaded packages is empty.
 *
 * @example pkgng.cacheEmptied()
 */
export const cacheEmptied = defprop({
  name: "pkgng.cacheEmptied",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "empty cache of downloaded packages",
  hostattrs: (_args, host) => os.required(host, "freebsd"),
  apply: (_args, target) => cleaned(target, "pkgng.cacheEmptied", ["-a"]),
});

/** Keeps pkg from asking questions. */
const noQuestions = { ASSUME_ALWAYS_YES: "yes" };
const aboutPackages = { about: { packages: true, paths: ["/var/db/pkg"] } };

interface Package {
  readonly name: string;
  readonly version: string;
  readonly origin: string;
}

/** Nothing where pkg is not installed yet: without -N, its stand-in would ask whether to install it. */
const listing = "if pkg -N >/dev/null 2>&1; then pkg query -a '%n %v %o'; fi";

async function packages(target: PosixTarget): Promise<Package[]> {
  const { stdout } = await target.query(listing, aboutPackages);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", version = "", origin = ""] = line.split(" ");
      return { name, version, origin };
    });
}

const isCalled = ({ name, origin }: Package, wanted: string): boolean => name === wanted || origin === wanted;
const presentIn = (all: readonly Package[], names: readonly string[]): string[] =>
  names.filter((name) => all.some((each) => isCalled(each, name)));
const missingFrom = (all: readonly Package[], names: readonly string[]): string[] =>
  names.filter((name) => !all.some((each) => isCalled(each, name)));

/** Runs pkg with `args`. `after`: the packages that a plan expects then; without it, it knows nothing about them. */
async function changePackages(
  target: PosixTarget,
  property: string,
  args: readonly string[],
  after?: (before: readonly Package[]) => readonly Package[],
): Promise<Change> {
  await needsRoot(target, property);
  const before = await packages(target);
  const predict = async (model: PlanModel) => {
    const expected = after?.(before);
    model.mayFail();
    model.mayChange({ ...aboutPackages.about, additions: true });
    if (expected)
      model.answer(
        listing,
        { stdout: expected.map((each) => `${lineOf(each)}\n`).join("") },
        aboutPackages.about,
      );
    return undefined;
  };
  await target.run(["pkg", ...args], { env: noQuestions, inform: true, predict });
  const found = await packages(target);
  const changes = changesBetween(before, found);
  for (const each of changes) target.report(each);
  return changes.length > 0 ? "changed" : "unchanged";
}

const lineOf = ({ name, version, origin }: Package): string => `${name} ${version} ${origin}`;

function changesBetween(before: readonly Package[], after: readonly Package[]): HostChange[] {
  const versions = (all: readonly Package[]) => new Map(all.map(({ name, version }) => [name, version]));
  const [then, now] = [versions(before), versions(after)];
  return [...new Set([...then.keys(), ...now.keys()])].flatMap((name) => {
    const [from, to] = [then.get(name), now.get(name)];
    if (from === to) return [];
    const version = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
    return [{ kind: "package", name, version } as const];
  });
}
