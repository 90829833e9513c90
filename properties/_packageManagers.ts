/** Managers of packages, and what packages are called in them. */
import { InvalidArguments } from "consfigurator";
import { patiently } from "./_aptGet";

/** How a manager of packages is asked and told. Each command is followed by names of packages. */
export interface Manager {
  /** What tables of names call it. */
  readonly name: string;
  /** The program by which it is recognised. */
  readonly command: string;
  /** Asks for one package: it exits with 0 when the package is installed. */
  readonly has: string[];
  readonly install: string[];
  /** Fetches the lists before something is installed. Default: `install` does. */
  readonly update?: string[] | undefined;
}

/** Names of packages by the name of the manager. */
export type PackageNames = Readonly<Record<string, string | readonly string[]>>;

const known: Manager[] = [
  {
    name: "apt",
    command: "apt-get",
    has: ["sh", "-c", `dpkg-query -W -f '\${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed`, "sh"],
    install: ["apt-get", ...patiently, "-y", "install"],
    update: ["apt-get", ...patiently, "update"],
  },
  {
    name: "pkgng",
    command: "pkg",
    // Without -N, the stand-in for a pkg that is not installed would ask whether to install it.
    has: ["sh", "-c", 'pkg -N >/dev/null 2>&1 && pkg info -e "$1"', "sh"],
    install: ["pkg", "install", "-y"],
  },
  { name: "dnf", command: "dnf", has: ["rpm", "-q", "--whatprovides"], install: ["dnf", "-y", "install"] },
  {
    name: "zypper",
    command: "zypper",
    has: ["rpm", "-q", "--whatprovides"],
    install: ["zypper", "--non-interactive", "install"],
  },
  {
    name: "pacman",
    command: "pacman",
    has: ["pacman", "-Q"],
    install: ["pacman", "-Sy", "--noconfirm", "--needed"],
  },
  {
    name: "apk",
    command: "apk",
    has: ["apk", "info", "-e"],
    install: ["apk", "add"],
    update: ["apk", "update"],
  },
];
const own: Manager[] = [];

const tables = new Map<string, PackageNames>([
  [
    "dig",
    {
      apt: "bind9-dnsutils",
      pkgng: "bind-tools",
      dnf: "bind-utils",
      zypper: "bind-utils",
      pacman: "bind",
      apk: "bind-tools",
    },
  ],
  [
    "ssh-server",
    {
      apt: "openssh-server",
      pkgng: [],
      dnf: "openssh-server",
      zypper: "openssh-server",
      pacman: "openssh",
      apk: "openssh-server",
    },
  ],
  [
    "compiler",
    {
      apt: "build-essential",
      pkgng: [],
      dnf: ["gcc", "gcc-c++", "make"],
      zypper: ["gcc", "gcc-c++", "make"],
      pacman: "base-devel",
      apk: "build-base",
    },
  ],
  [
    "python",
    { apt: "python3", pkgng: "python3", dnf: "python3", zypper: "python3", pacman: "python", apk: "python3" },
  ],
]);

/** All managers, those of the consfig first. */
export const managers = (): Manager[] => [...own, ...known];

/**
 * Adds a manager of packages for `packages.installed`; one with the same name is replaced. Call it in a file of the consfig
 * that is loaded before those that use it.
 *
 * @example packages.managedBy({ name: "brew", command: "brew", has: ["brew", "list"], install: ["brew", "install"] })
 */
export function managedBy(manager: Manager): void {
  const at = own.findIndex(({ name }) => name === manager.name);
  own.splice(at < 0 ? own.length : at, at < 0 ? 0 : 1, manager);
}

/**
 * Adds to the table of names for `packages.installed`: what `name` is called in each manager. Several packages, or none, can be
 * behind one name. Call it in a file of the consfig that is loaded before those that use it.
 *
 * @example packages.named("netcat", { apt: "netcat-openbsd", dnf: "nmap-ncat", pkgng: [] })
 */
export function named(name: string, names: PackageNames): void {
  if (name === "" || /\s/.test(name))
    throw new InvalidArguments(
      `packages.named: the name is ${JSON.stringify(name)}; it must be one word, such as "netcat"`,
    );
  tables.set(name, { ...tables.get(name), ...names });
}

/** What `names` are called in the manager `manager`. */
export const namesFor = (manager: string, names: readonly (string | PackageNames)[]): string[] =>
  names.flatMap((each) => {
    const table = typeof each === "string" ? (tables.get(each) ?? { [manager]: each }) : each;
    const found = table[manager] ?? (typeof each === "string" ? each : []);
    return typeof found === "string" ? [found] : [...found];
  });
