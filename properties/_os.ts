import { attribute, type HostFacts, InapplicableProperty, schema } from "consfigurator";

const { object, oneOf, optional, string } = schema;

/** The types of operating systems, each with its parent type. */
const parentOf = {
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

export type OsTypeName = keyof typeof parentOf;
export const osTypeNames = Object.keys(parentOf) as OsTypeName[];

/** An operating system, as a consfig declares it. `arch` is the name that the system itself uses, such as "amd64". */
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

/** The operating systems declared for a host; the newest counts. */
export const declared = attribute<OsValue>("os");

/** The operating system declared for `host`, if any. */
export const of = (host: HostFacts): OsValue | undefined => host.newest(declared);

/** Whether `value` is of `type` or a subtype of it. */
export function isA(value: OsValue, type: OsTypeName): boolean {
  for (let each: OsTypeName | undefined = value.type; each; each = parentOf[each])
    if (each === type) return true;
  return false;
}

/** Whether `host` is declared to run `type` or a subtype of it. */
export function runs(host: HostFacts, type: OsTypeName): boolean {
  const value = of(host);
  return value !== undefined && isA(value, type);
}

/**
 * For `hostattrs`: throws `InapplicableProperty` unless `host` is declared to run `type` or a subtype of it. The
 * declaration must come before the property that requires it.
 */
export function required(host: HostFacts, type: OsTypeName): void {
  const value = of(host);
  if (!value) {
    throw new InapplicableProperty(
      `it needs a ${type} system, but ${host.name} has no operating system declared yet; put os.debianStable("bookworm", "amd64") or the like before it`,
    );
  }
  if (!isA(value, type)) {
    throw new InapplicableProperty(`it needs a ${type} system, but ${host.name} runs ${shown(value)}`);
  }
}

/** `value` for messages. */
export const shown = ({ type, suite, version, arch }: OsValue): string =>
  [type, suite && !type.toLowerCase().endsWith(suite) ? suite : undefined, version, arch && `(${arch})`]
    .filter(Boolean)
    .join(" ");

/** The suite of a Debian system. Throws `InapplicableProperty` for any other system. */
export const debianSuite = (value: OsValue): string => part(value, "debian", "suite");
/** The architecture of a Debian system. Throws `InapplicableProperty` for any other system. */
export const debianArchitecture = (value: OsValue): string => part(value, "debian", "arch");
/** Like `debianArchitecture`, in lower case as Debian's tools write it. */
export const debianArchitectureString = (value: OsValue): string => debianArchitecture(value).toLowerCase();
/** The architecture of a FreeBSD system. Throws `InapplicableProperty` for any other system. */
export const freebsdArchitecture = (value: OsValue): string => part(value, "freebsd", "arch");
/** The version of a FreeBSD release, such as "14.1". Throws `InapplicableProperty` for any other system. */
export const freebsdVersion = (value: OsValue): string => part(value, "freebsdRelease", "version");

function part(value: OsValue, type: OsTypeName, field: "suite" | "arch" | "version"): string {
  const found = isA(value, type) ? value[field] : undefined;
  if (found === undefined) throw new InapplicableProperty(`${shown(value)} declares no ${type} ${field}`);
  return found;
}

/** Whether a machine that runs `target` can execute programs for `binary`. Undefined unless both are Debian. */
export function supportsArch(target: OsValue, binary: OsValue): boolean | undefined {
  if (!isA(target, "debian") || !isA(binary, "debian")) return undefined;
  const pair = [debianArchitectureString(target), debianArchitectureString(binary)];
  return pair[0] === pair[1] || pair.toSorted().join() === "amd64,i386";
}
