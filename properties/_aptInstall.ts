/** Installs packages, and finds out which are. */
import { type Change, type PosixTarget, schema } from "consfigurator";
import { changePackages } from "./_aptGet";
import { aboutPackages, packages, parseWanted, predictPackages } from "./_dpkg";
import { needsRoot } from "./_needs";

const { string } = schema;

/** Names of packages; nested lists are flattened. */
export type Names = string | readonly Names[];
const flat = (names: Names): string[] => (Array.isArray(names) ? names.flatMap(flat) : [names as string]);

/** An argument of apt-get install, except what it would take for an option, a glob or a removal (a final "-"). */
export const packageName = () =>
  string({
    pattern: "^[a-z0-9][a-z0-9+.-]*(?<!-)(:[a-z0-9-]+)?(=[A-Za-z0-9.+~:-]+|/[a-z0-9./-]+)?$",
    description: 'a package, such as "git", "libc6:i386", "git=1:2.39.5-0" or "git/bookworm-backports"',
  });
export const plainName = () =>
  string({
    pattern: "^[a-z0-9][a-z0-9+.-]*(?<!-)(:[a-z0-9-]+)?$",
    description: 'a package, such as "git" or "libc6:i386"',
  });
export const byNames = (...names: Names[]) => ({ names: flat(names) });

/** Whether each of the packages `names`, as arguments of apt-get install, is installed and marked as manual. */
export async function areManuallyInstalled(target: PosixTarget, names: readonly string[]): Promise<boolean> {
  const known = await packages(target);
  return names.every((name) => known.isInstalled(name) && !known.get(parseWanted(name).name)?.auto);
}

/** Which of `names` dpkg does not have after an installation; undefined when it has all, or packages that provide them. */
export async function notInstalled(
  target: PosixTarget,
  names: readonly string[],
): Promise<string | undefined> {
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

/** Makes sure that `areManuallyInstalled`, with further `options` for apt-get. `property` is the name of the caller. */
export async function install(
  target: PosixTarget,
  property: string,
  names: readonly string[],
  options: readonly string[],
): Promise<Change> {
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
