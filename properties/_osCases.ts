/**
 * Choosing by the operating system. The choice is made once, while the host is prepared, by the system declared so
 * far; only what is chosen becomes part of the host: its facts, its kind, its code.
 */
import {
  attribute,
  defproplist,
  factsOf,
  type Host,
  type HostModel,
  InapplicableProperty,
  type MaybePropApp,
  makeHost,
  type PropApp,
  schema,
  withoutEmpty,
} from "consfigurator";
import { declared, isA, type OsTypeName, type OsValue, of, osTypeNames, osValue, shown } from "./_os";

const { list, object, oneOf, optional, string } = schema;

/** What is chosen among, by name; the first that fits wins. */
export type Cases<K extends string> = Readonly<Partial<Record<K, MaybePropApp | readonly MaybePropApp[]>>>;

interface Case {
  readonly when: string;
  readonly then: readonly PropApp[];
}

/** The host whose system is looked at, when it is another one: as said, and once its system is known. */
interface Other {
  readonly name: string;
  readonly applications?: readonly PropApp[] | undefined;
  readonly os?: OsValue | undefined;
}

/** Not `propapp()`: what is not chosen must not be visited, nor decide the kind. */
const branch = (): schema.Schema<PropApp> => ({
  type: "object",
  required: ["property", "args"],
  description: "a property, such as apt.updated()",
});
const casesBy = <K extends string>(when: schema.Schema<K>) => list(object({ when, then: list(branch()) }));
const other = object({ name: string(), applications: optional(list(branch())), os: optional(osValue()) });

const byType = casesBy(oneOf(...osTypeNames, "default"));
const byTypeOnly = casesBy(oneOf(...osTypeNames));
const bySuite = casesBy(
  string({ pattern: "^[a-z][a-z0-9._-]*$", description: 'a suite, such as "bookworm", or "default"' }),
);
const bySuiteOnly = casesBy(
  string({
    pattern: "^(?!default$)[a-z][a-z0-9._-]*$",
    description: 'a suite, such as "bookworm"; there is no default here',
  }),
);

const own = (cases: Cases<string>) => ({ cases: listed(cases) });
const others = (host: Host, cases: Cases<string>) => ({
  other: { name: host.name, applications: [...host.applications] },
  cases: listed(cases),
});

/**
 * What `cases` has for the operating system of the host: the first whose type is that of the host or one that the
 * host's is a sort of; else `default`; else nothing. The system has to be declared before.
 *
 * @example os.typecase({ debianStable: apt.updated(), debian: [apt.updated(), apt.upgraded()], default: null })
 */
export const typecase = defproplist({
  name: "os.typecase",
  args: object({ cases: byType }),
  call: (cases: Cases<OsTypeName | "default">) => own(cases),
  desc: ({ cases }) => `by the system: ${names(cases)}`,
  inline: true,
  hostattrs: (_args, host) => decide(host, "os.typecase"),
  parts: ({ cases }, host) => choose(cases, of(host), fitsType),
});

/**
 * As `os.typecase` without a `default`: when no case fits, the host is refused with `InapplicableProperty`.
 *
 * @example os.etypecase({ debianlike: apt.installed("cron"), freebsd: null })
 */
export const etypecase = defproplist({
  name: "os.etypecase",
  args: object({ cases: byTypeOnly }),
  call: (cases: Cases<OsTypeName>) => own(cases),
  desc: ({ cases }) => `by the system: ${names(cases)}`,
  inline: true,
  hostattrs: (_args, host) => decide(host, "os.etypecase"),
  parts: ({ cases }, host) => chooseOrRefuse(cases, of(host), fitsType, host.name),
});

/**
 * What `cases` has for the Debian suite of the host; else, and for what is no Debian, `default`; else nothing.
 *
 * @example os.debianSuiteCase({ bookworm: apt.installed("neofetch"), default: apt.installed("fastfetch") })
 */
export const debianSuiteCase = defproplist({
  name: "os.debianSuiteCase",
  args: object({ cases: bySuite }),
  call: (cases: Cases<string>) => own(cases),
  desc: ({ cases }) => `by the suite: ${names(cases)}`,
  inline: true,
  hostattrs: (_args, host) => decide(host, "os.debianSuiteCase"),
  parts: ({ cases }, host) => choose(cases, of(host), fitsSuite),
});

/**
 * As `os.debianSuiteCase` without a `default`: when no case fits, the host is refused with `InapplicableProperty`.
 *
 * @example os.debianSuiteEcase({ bookworm: apt.installed("neofetch"), trixie: apt.installed("fastfetch") })
 */
export const debianSuiteEcase = defproplist({
  name: "os.debianSuiteEcase",
  args: object({ cases: bySuiteOnly }),
  call: (cases: Cases<string>) => own(cases),
  desc: ({ cases }) => `by the suite: ${names(cases)}`,
  inline: true,
  hostattrs: (_args, host) => decide(host, "os.debianSuiteEcase"),
  parts: ({ cases }, host) => chooseOrRefuse(cases, of(host), fitsSuite, host.name),
});

/**
 * As `os.typecase`, by the system of `host` instead of the one that is deployed.
 *
 * @example os.hostTypecase(web1, { debian: apt.installed("debootstrap") })
 */
export const hostTypecase = defproplist({
  name: "os.hostTypecase",
  args: object({ other, cases: byType }),
  call: (host: Host, cases: Cases<OsTypeName | "default">) => others(host, cases),
  desc: ({ other, cases }) => `by the system of ${other.name}: ${names(cases)}`,
  inline: true,
  preprocess: ({ other, cases }) => ({ other: known(other), cases }),
  hostattrs: () => {},
  parts: ({ other, cases }) => choose(cases, other.os, fitsType),
});

/**
 * As `os.etypecase`, by the system of `host` instead of the one that is deployed.
 *
 * @example os.hostEtypecase(web1, { debian: apt.installed("debootstrap") })
 */
export const hostEtypecase = defproplist({
  name: "os.hostEtypecase",
  args: object({ other, cases: byTypeOnly }),
  call: (host: Host, cases: Cases<OsTypeName>) => others(host, cases),
  desc: ({ other, cases }) => `by the system of ${other.name}: ${names(cases)}`,
  inline: true,
  preprocess: ({ other, cases }) => ({ other: known(other), cases }),
  hostattrs: () => {},
  parts: ({ other, cases }) => chooseOrRefuse(cases, other.os, fitsType, other.name),
});

/**
 * As `os.debianSuiteCase`, by the suite of `host` instead of the one that is deployed.
 *
 * @example os.hostDebianSuiteCase(web1, { bookworm: apt.installed("debootstrap") })
 */
export const hostDebianSuiteCase = defproplist({
  name: "os.hostDebianSuiteCase",
  args: object({ other, cases: bySuite }),
  call: (host: Host, cases: Cases<string>) => others(host, cases),
  desc: ({ other, cases }) => `by the suite of ${other.name}: ${names(cases)}`,
  inline: true,
  preprocess: ({ other, cases }) => ({ other: known(other), cases }),
  hostattrs: () => {},
  parts: ({ other, cases }) => choose(cases, other.os, fitsSuite),
});

/**
 * As `os.debianSuiteEcase`, by the suite of `host` instead of the one that is deployed.
 *
 * @example os.hostDebianSuiteEcase(web1, { bookworm: apt.installed("debootstrap") })
 */
export const hostDebianSuiteEcase = defproplist({
  name: "os.hostDebianSuiteEcase",
  args: object({ other, cases: bySuiteOnly }),
  call: (host: Host, cases: Cases<string>) => others(host, cases),
  desc: ({ other, cases }) => `by the suite of ${other.name}: ${names(cases)}`,
  inline: true,
  preprocess: ({ other, cases }) => ({ other: known(other), cases }),
  hostattrs: () => {},
  parts: ({ other, cases }) => chooseOrRefuse(cases, other.os, fitsSuite, other.name),
});

/** A list, because the order decides. Written with `never` so that each `call` keeps the names its schema has. */
const listed = <K extends string>(cases: Cases<K>): { when: never; then: PropApp[] }[] =>
  Object.entries<Cases<K>[K]>(cases).map(([when, then]) => ({
    when: when as never,
    then: withoutEmpty([then].flat() as MaybePropApp[]),
  }));

const names = (cases: readonly Case[]): string => cases.map(({ when }) => when).join(", ");

/** `other` with its system instead of its properties. Its own preparation says what is wrong with it. */
function known({ name, applications, os }: Other): { name: string; os: OsValue | undefined } {
  if (!applications) return { name, os };
  return { name, os: of(factsOf(makeHost(name, {}, ...applications))) };
}

type Fits = (when: string, os: OsValue | undefined) => boolean;
const fitsType: Fits = (when, os) => os !== undefined && when !== "default" && isA(os, when as OsTypeName);
const fitsSuite: Fits = (when, os) => os !== undefined && isA(os, "debian") && when === os.suite;

function choose(cases: readonly Case[], os: OsValue | undefined, fits: Fits): readonly PropApp[] {
  const chosen = cases.find(({ when }) => fits(when, os)) ?? cases.find(({ when }) => when === "default");
  return chosen?.then ?? [];
}

function chooseOrRefuse(
  cases: readonly Case[],
  os: OsValue | undefined,
  fits: Fits,
  host: string,
): readonly PropApp[] {
  const chosen = cases.find(({ when }) => fits(when, os));
  if (chosen) return chosen.then;
  const subject = os ? `${host} runs ${shown(os)}` : `${host} has no system declared so far`;
  throw new InapplicableProperty(`${subject}, and there are only cases for ${names(cases) || "nothing"}`);
}

/** What was chosen by the system as it was known then. */
const decided = attribute<{ readonly os: OsValue | null; readonly by: string }>("os/decided");

function decide(host: HostModel, by: string): void {
  host.pushNew(decided, { os: of(host) ?? null, by });
}

/** Records that `host` runs `value`. What was chosen before by another system would no longer be right: refused. */
export function declare(host: HostModel, value: OsValue): void {
  const other = host.all(decided).find(({ os }) => os === null || shown(os) !== shown(value));
  if (other) {
    const then = other.os ? `was declared to run ${shown(other.os)}` : "had no system declared";
    throw new InapplicableProperty(`${other.by} before it chose when ${host.name} ${then}; put this first`);
  }
  host.push(declared, value);
}
