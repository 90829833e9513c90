/** Packages by whatever manager of packages the host has. */
import { AbortedChange, defprop, type PosixTarget, schema } from "consfigurator";
import { needsRoot } from "./_needs";
import { type Manager, managers, namesFor, type PackageNames } from "./_packageManagers";

export { type Manager, managedBy, named, type PackageNames } from "./_packageManagers";

const { list, object, optional, string } = schema;

const packageName = () =>
  string({ pattern: "^[A-Za-z0-9@][A-Za-z0-9@_.+:/~-]*$", description: 'a package, such as "git"' });
const words = () => list(string(), { minItems: 1 });
const installedArgs = object({
  choices: list(
    object({
      manager: object({
        name: string(),
        command: string(),
        has: words(),
        install: words(),
        update: optional(words()),
      }),
      names: list(packageName()),
    }),
  ),
});

/**
 * Each of the packages `names` is installed, by the manager of packages that is found on the host: apt-get, pkg, dnf, zypper,
 * pacman or apk, or one that the consfig adds with `packages.managedBy`. A name is the same everywhere, unless the table of
 * names has others for it: see `packages.named`. An object says the names for each manager at once; packages for another
 * manager than that of the host are left out. For a host whose system is known, `apt.installed` and `pkgng.installed` say
 * more, and can do more.
 *
 * @example packages.installed("git", "rsync")
 * @example packages.installed({ apt: "bind9-dnsutils", pkgng: "bind-tools", apk: "bind-tools" })
 */
export const installed = defprop({
  name: "packages.installed",
  kind: "posix",
  args: installedArgs,
  call: (...names: (string | PackageNames)[]) => ({
    choices: managers().map((manager) => ({ manager, names: namesFor(manager.name, names) })),
  }),
  desc: ({ choices }) => `installed: ${[...new Set(choices.flatMap(({ names }) => names))].join(", ")}`,
  check: async (args, target) => {
    const { manager, names } = await chosen(args, target);
    return (await missing(manager, names, target)).length === 0;
  },
  apply: async (args, target) => {
    const { manager, names } = await chosen(args, target);
    const wanted = await missing(manager, names, target);
    if (wanted.length === 0) return "unchanged";
    await needsRoot(target, "packages.installed");
    const touches = { packages: true, additions: true };
    if (manager.update)
      await target.run(manager.update, { inform: true, env, touches, predict: () => undefined });
    await target.run([...manager.install, ...wanted], { inform: true, env, touches });
    return "changed";
  },
});

const env = { DEBIAN_FRONTEND: "noninteractive", ASSUME_ALWAYS_YES: "yes" };

type Choice = { readonly manager: Manager; readonly names: readonly string[] };

/** The first manager that the host has. */
async function chosen(
  { choices }: { readonly choices: readonly Choice[] },
  target: PosixTarget,
): Promise<Choice> {
  const found = await Promise.all(choices.map(({ manager }) => target.hasCommand(manager.command)));
  const choice = choices[found.indexOf(true)];
  if (choice) return choice;
  throw new AbortedChange(
    `${target.host.name} has none of the managers of packages that are known: ${choices.map(({ manager }) => manager.command).join(", ")}; add its own with packages.managedBy`,
  );
}

async function missing(manager: Manager, names: readonly string[], target: PosixTarget): Promise<string[]> {
  const found = await Promise.all(
    names.map((name) => target.succeeds([...manager.has, name], { about: { packages: true } })),
  );
  return names.filter((_name, index) => !found[index]);
}
