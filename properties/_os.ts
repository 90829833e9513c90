import { attribute, type HostFacts, InapplicableProperty, schema } from "consfigurator";

const { object, oneOf, optional, string } = schema;

/** What an operating system may be called, each with what it is a sort of. */
const sortOf = {
  unixlike: undefined,
  linux: "unixlike",
  debianlike: "linux",
  debian: "debianlike",
  debianStable: "debian",
  debianTesting: "debian",
  debianUnstable: "debian",
  debianExperimental: "debian",
  freebsd: "unixlike",
  freebsdRelease: "freebsd",
  freebsdDevel: "freebsd",
} as const;

export type OsTypeName = keyof typeof sortOf;
export const osTypeNames = Object.keys(sortOf) as OsTypeName[];

/** An operating system, as the consfig declares it. `arch` is the name that the system itself uses, such as "amd64". */
export interface OsValue {
  readonly type: OsTypeName;
  readonly suite?: string | undefined;
  readonly arch?: string | undefined;
  readonly version?: string | undefined;
}

export const osValue = () =>
  object({
    type: oneOf(...osTypeNames),
    suite: optional(string()),
    arch: optional(string()),
    version: optional(string()),
  });

/** The operating systems declared for a host; the newest is the one that counts. */
export const declared = attribute<OsValue>("os");

/** The operating system of `host`, as far as it has been declared. */
export const of = (host: HostFacts): OsValue | undefined => host.newest(declared);

/** Whether `value` is a `type` or a sort of it. */
export function isA(value: OsValue, type: OsTypeName): boolean {
  for (let sort: OsTypeName | undefined = value.type; sort; sort = sortOf[sort])
    if (sort === type) return true;
  return false;
}

/** Whether `host` is declared to run a `type` or a sort of it. */
export function runs(host: HostFacts, type: OsTypeName): boolean {
  const value = of(host);
  return value !== undefined && isA(value, type);
}

/**
 * For `hostattrs`: throws `InapplicableProperty` unless `host` is declared to run a `type` or a sort of it. The
 * declaration has to stand before the property that asks.
 */
export function required(host: HostFacts, type: OsTypeName): void {
  const value = of(host);
  if (!value) {
    throw new InapplicableProperty(
      `it needs a ${type} system, and ${host.name} has none declared so far; put os.debianStable("bookworm", "amd64") or the like before it`,
    );
  }
  if (!isA(value, type)) {
    throw new InapplicableProperty(`it needs a ${type} system, and ${host.name} runs ${shown(value)}`);
  }
}

/** `value` for people. */
export const shown = ({ type, suite, version, arch }: OsValue): string =>
  [type, suite && !type.toLowerCase().endsWith(suite) ? suite : undefined, version, arch && `(${arch})`]
    .filter(Boolean)
    .join(" ");

/** The suite of a Debian system. Throws `InapplicableProperty` for another one. */
export const debianSuite = (value: OsValue): string => part(value, "debian", "suite");
/** The architecture of a Debian system. Throws `InapplicableProperty` for another one. */
export const debianArchitecture = (value: OsValue): string => part(value, "debian", "arch");
/** As `debianArchitecture`, the way that Debian's tools write it. */
export const debianArchitectureString = (value: OsValue): string => debianArchitecture(value).toLowerCase();
/** The architecture of a FreeBSD system. Throws `InapplicableProperty` for another one. */
export const freebsdArchitecture = (value: OsValue): string => part(value, "freebsd", "arch");
/** The version of a FreeBSD release, such as "14.1". Throws `InapplicableProperty` for another system. */
export const freebsdVersion = (value: OsValue): string => part(value, "freebsdRelease", "version");

function part(value: OsValue, type: OsTypeName, field: "suite" | "arch" | "version"): string {
  const found = isA(value, type) ? value[field] : undefined;
  if (found === undefined)
    throw new InapplicableProperty(`${shown(value)} has no ${field} of a ${type} system`);
  return found;
}

/**
 * Whether a machine that runs `target` can execute the programs of `binary`. Undefined where nothing is known: both
 * have to be Debian.
 */
export function supportsArch(target: OsValue, binary: OsValue): boolean | undefined {
  if (!isA(target, "debian") || !isA(binary, "debian")) return undefined;
  const pair = [debianArchitectureString(target), debianArchitectureString(binary)];
  return pair[0] === pair[1] || pair.toSorted().join() === "amd64,i386";
}
