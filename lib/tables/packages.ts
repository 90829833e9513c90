import { FailedChange } from "../model/errors";
import { object } from "../model/schema";
import { deftable } from "../model/table";
import type { PosixTarget } from "../model/target";

/** An installed package. */
interface Package {
  readonly [column: string]: string | boolean | null;
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** As dpkg has it: "required", "important", "standard", "optional", "extra". Null elsewhere. */
  readonly priority: string | null;
  readonly section: string | null;
  /** True: it is not upgraded. */
  readonly held: boolean;
  /** True: a person has asked for it, so it is not removed when nothing depends on it. Null where that is not known. */
  readonly manual: boolean | null;
}

/** The installed packages, by name: of dpkg, of apk, or of FreeBSD's pkg. */
export const packages = deftable({
  name: "tables.packages",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    for (const [program, ask] of [
      ["dpkg-query", dpkg],
      ["apk", apk],
      ["pkg", pkg],
    ] as const)
      if (await target.hasCommand(program)) return ask(target);
    throw new FailedChange("the host has none of dpkg, apk and pkg");
  },
});

async function dpkg(target: PosixTarget): Promise<Package[]> {
  const format = "${db:Status-Abbrev} ${Package} ${Version} ${Architecture} ${Priority} ${Section}\\n";
  const [{ stdout }, states] = await Promise.all([
    target.query(["dpkg-query", "-W", "-f", format]),
    target.readLines("/var/lib/apt/extended_states"),
  ]);
  const automatic = new Set<string>();
  let name = "";
  for (const line of states) {
    if (line.startsWith("Package: ")) name = line.slice(9);
    else if (line === "Auto-Installed: 1") automatic.add(name);
  }
  return stdout.split("\n").flatMap((line) => {
    const [
      ,
      wanted,
      state,
      packageName = "",
      version = "",
      architecture = "",
      priority = null,
      section = null,
    ] = /^(.)(.). (\S+) (\S+) (\S+) (\S*) (\S*)$/.exec(line) ?? [];
    if (state !== "i") return [];
    return [
      {
        name: packageName,
        version,
        architecture,
        priority,
        section,
        held: wanted === "h",
        manual: !automatic.has(packageName),
      },
    ];
  });
}

async function apk(target: PosixTarget): Promise<Package[]> {
  const [installed, world] = await Promise.all([
    target.readLines("/lib/apk/db/installed"),
    target.readLines("/etc/apk/world"),
  ]);
  const wanted = new Set(world.map((line) => line.replace(/[<>=~@].*$/, "")));
  const all: Package[] = [];
  let fields: Record<string, string> = {};
  for (const line of [...installed, ""]) {
    if (line !== "") {
      fields[line.slice(0, 1)] = line.slice(2);
      continue;
    }
    const { P: name, V: version = "", A: architecture = "" } = fields;
    if (name !== undefined)
      all.push({
        name,
        version,
        architecture,
        priority: null,
        section: null,
        held: false,
        manual: wanted.has(name),
      });
    fields = {};
  }
  return all;
}

async function pkg(target: PosixTarget): Promise<Package[]> {
  const { stdout } = await target.query(["pkg", "query", "%n %v %q %k %a"]);
  return stdout.split("\n").flatMap((line) => {
    const [name, version = "", architecture = "", locked, automatic] = line.split(" ");
    return name
      ? [
          {
            name,
            version,
            architecture,
            priority: null,
            section: null,
            held: locked === "1",
            manual: automatic === "0",
          },
        ]
      : [];
  });
}
