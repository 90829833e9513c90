/**
 * Choices by operating system. A choice is made once, while the host is prepared, by the system declared so far. Only
 * the chosen case becomes part of the host: its facts, its kind, its code.
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

/** The cases by name; the first match wins. */
export type Cases<K extends string> = Readonly<Partial<Record<K, MaybePropApp | readonly MaybePropApp[]>>>;

interface Case {
  readonly when: string;
  readonly then: readonly PropApp[];
}

/** Another host whose system decides: as given, then with its system known. */
interface Other {
  readonly name: string;
  readonly applications?: readonly PropApp[] | undefined;
  readonly os?: OsValue | undefined;
}

/** Not `propapp()`: a case that is not chosen must not be visited, nor affect the kind. */
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
    description: 'a suite, such as "bookworm", but not "default"',
  }),
);

const own = (cases: Cases<string>) => ({ cases: listed(cases) });
const others = (host: Host, cases: Cases<string>) => ({
  other: { name: host.name, applications: [...host.applications] },
  cases: listed(cases),
});

/**
 * Applies the case for the operating system of the host: the first whose type is that of the host or a parent of it;
 * else `default`; else nothing. The system must be declared before this.
 *
 * @example os.typecase({ debianStable: apt.updated(), debian: [apt.updated(), apt.upgraded()], default: null })
 */
export const typecase = defproplist({
  name: "os.typecase",
  args: object({ cases: byType }),
  call: (cases: Cases<OsTypeName | "default">) => own(cases),
  desc: ({ cases }) => `by operating system: ${names(cases)}`,
  inline: true,
  hostattrs: (_args, host) => decide(host, "os.typecase"),
  parts: ({ cases }, host) => choose(cases, of(host), matchesType),
});

/**
 * Like `os.typecase`, without a `default`: if no case matches, the host is refused with `InapplicableProperty`.
 *
 * @example os.etypecase({ debianlike: apt.installed("cron"), freebsd: null })
 */
export const etypecase = defproplist({
  name: "os.etypecase",
  args: object({ cases: byTypeOnly }),
  call: (cases: Cases<OsTypeName>) => own(cases),
  desc: ({ cases }) => `by operating system: ${names(cases)}`,
  inline: true,
  hostattrs: (_args, host) => decide(host, "os.etypecase"),
  parts: ({ cases }, host) => chooseOrRefuse(cases, of(host), matchesType, host.name),
});

/**
 * Applies the case for the Debian suite of the host; else, and on any other system, `default`; else nothing.
 *
 * @example os.debianSuiteCase({ bookworm: apt.installed("neofetch"), default: apt.installed("fastfetch") })
 */
export const debianSuiteCase = defproplist({
  name: "os.debianSuiteCase",
  args: object({ cases: bySuite }),
  call: (cases: Cases<string>) => own(cases),
  desc: ({ cases }) => `by suite: ${names(cases)}`,
  inline: true,
  hostattrs: (_args, host) => decide(host, "os.debianSuiteCase"),
  parts: ({ cases }, host) => choose(cases, of(host), matchesSuite),
});

/**
 * Like `os.debianSuiteCase`, without a `default`: if no case matches, the host is refused with `InapplicableProperty`.
 *
 * @example os.debianSuiteEcase({ bookworm: apt.installed("neofetch"), trixie: apt.installed("fastfetch") })
 */
export const debianSuiteEcase = defproplist({
  name: "os.debianSuiteEcase",
  args: object({ cases: bySuiteOnly }),
  call: (cases: Cases<string>) => own(cases),
  desc: ({ cases }) => `by suite: ${names(cases)}`,
  inline: true,
  hostattrs: (_args, host) => decide(host, "os.debianSuiteEcase"),
  parts: ({ cases }, host) => chooseOrRefuse(cases, of(host), matchesSuite, host.name),
});

/**
 * Like `os.typecase`, by the system of `host` instead of the system of the deployed host.
 *
 * @example os.hostTypecase(web1, { debian: apt.installed("debootstrap") })
 */
export const hostTypecase = defproplist({
  name: "os.hostTypecase",
  args: object({ other, cases: byType }),
  call: (host: Host, cases: Cases<OsTypeName | "default">) => others(host, cases),
  desc: ({ other, cases }) => `by operating system of ${other.name}: ${names(cases)}`,
  inline: true,
  preprocess: ({ other, cases }) => ({ other: withSystem(other), cases }),
  hostattrs: () => {},
  parts: ({ other, cases }) => choose(cases, other.os, matchesType),
});

/**
 * Like `os.etypecase`, by the system of `host` instead of the system of the deployed host.
 *
 * @example os.hostEtypecase(web1, { debian: apt.installed("debootstrap") })
 */
export const hostEtypecase = defproplist({
  name: "os.hostEtypecase",
  args: object({ other, cases: byTypeOnly }),
  call: (host: Host, cases: Cases<OsTypeName>) => others(host, cases),
  desc: ({ other, cases }) => `by operating system of ${other.name}: ${names(cases)}`,
  inline: true,
  preprocess: ({ other, cases }) => ({ other: withSystem(other), cases }),
  hostattrs: () => {},
  parts: ({ other, cases }) => chooseOrRefuse(cases, other.os, matchesType, other.name),
});

/**
 * Like `os.debianSuiteCase`, by the suite of `host` instead of the suite of the deployed host.
 *
 * @example os.hostDebianSuiteCase(web1, { bookworm: apt.installed("debootstrap") })
 */
export const hostDebianSuiteCase = defproplist({
  name: "os.hostDebianSuiteCase",
  args: object({ other, cases: bySuite }),
  call: (host: Host, cases: Cases<string>) => others(host, cases),
  desc: ({ other, cases }) => `by suite of ${other.name}: ${names(cases)}`,
  inline: true,
  preprocess: ({ other, cases }) => ({ other: withSystem(other), cases }),
  hostattrs: () => {},
  parts: ({ other, cases }) => choose(cases, other.os, matchesSuite),
});

/**
 * Like `os.debianSuiteEcase`, by the suite of `host` instead of the suite of the deployed host.
 *
 * @example os.hostDebianSuiteEcase(web1, { bookworm: apt.installed("debootstrap") })
 */
export const hostDebianSuiteEcase = defproplist({
  name: "os.hostDebianSuiteEcase",
  args: object({ other, cases: bySuiteOnly }),
  call: (host: Host, cases: Cases<string>) => others(host, cases),
  desc: ({ other, cases }) => `by suite of ${other.name}: ${names(cases)}`,
  inline: true,
  preprocess: ({ other, cases }) => ({ other: withSystem(other), cases }),
  hostattrs: () => {},
  parts: ({ other, cases }) => chooseOrRefuse(cases, other.os, matchesSuite, other.name),
});

/** A list, because the order matters. `never` lets each `call` keep the names of its schema. */
const listed = <K extends string>(cases: Cases<K>): { when: never; then: PropApp[] }[] =>
  Object.entries<Cases<K>[K]>(cases).map(([when, then]) => ({
    when: when as never,
    then: withoutEmpty([then].flat() as MaybePropApp[]),
  }));

const names = (cases: readonly Case[]): string => cases.map(({ when }) => when).join(", ");

/** Replaces the properties of `other` by its system. Its own preparation reports its errors. */
function withSystem({ name, applications, os }: Other): { name: string; os: OsValue | undefined } {
  if (!applications) return { name, os };
  return { name, os: of(factsOf(makeHost(name, {}, ...applications))) };
}

type Matches = (when: string, os: OsValue | undefined) => boolean;
const matchesType: Matches = (when, os) =>
  os !== undefined && when !== "default" && isA(os, when as OsTypeName);
const matchesSuite: Matches = (when, os) => os !== undefined && isA(os, "debian") && when === os.suite;

function choose(cases: readonly Case[], os: OsValue | undefined, matches: Matches): readonly PropApp[] {
  const chosen = cases.find(({ when }) => matches(when, os)) ?? cases.find(({ when }) => when === "default");
  return chosen?.then ?? [];
}

function chooseOrRefuse(
  cases: readonly Case[],
  os: OsValue | undefined,
  matches: Matches,
  host: string,
): readonly PropApp[] {
  const chosen = cases.find(({ when }) => matches(when, os));
  if (chosen) return chosen.then;
  const reason = os
    ? `${host} runs ${shown(os)}, which matches no case`
    : `${host} has no operating system declared yet`;
  throw new InapplicableProperty(`${reason}; the cases are: ${names(cases) || "none"}`);
}

/** The choices made so far, each with the system known at that time. */
const decided = attribute<{ readonly os: OsValue | null; readonly by: string }>("os/decided");

function decide(host: HostModel, by: string): void {
  host.pushNew(decided, { os: of(host) ?? null, by });
}

/** Records that `host` runs `value`. Refused if an earlier choice was made for another system. */
export function declare(host: HostModel, value: OsValue): void {
  const other = host.all(decided).find(({ os }) => os === null || shown(os) !== shown(value));
  if (other) {
    const then = other.os ? `was declared to run ${shown(other.os)}` : "had no operating system declared";
    throw new InapplicableProperty(
      `${other.by} before it already chose a case, when ${host.name} ${then}; put this first`,
    );
  }
  host.push(declared, value);
}
