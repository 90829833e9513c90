import { eseqprops, seqprops } from "../combinators";
import { as as viaAs } from "../connection/as";
import { InapplicableProperty } from "../model/errors";
import { type Hop, hopAsCode, isHop, separateHops } from "../model/hop";
import { type Host, HostModel, hosts, shared } from "../model/host";
import { defprop, type MaybePropApp, type NestedPlan, type PropApp, withoutEmpty } from "../model/property";
import {
  account,
  boolean,
  hop,
  hostname,
  json,
  list,
  object,
  optional,
  propapp,
  record,
} from "../model/schema";
import { factsOf } from "./facts";
import type { ChildHost } from "./make-host";

/**
 * Applies each of `applications` in order as the host's user `user`; the first failure stops the rest. In an agent, a
 * pristine worker of that user applies them, without access to the state of the deployment around it; over a shell,
 * runuser(1) does. The connected user must be root or `user`. For "root" no hop is opened: the applications run directly.
 */
export const as = defprop({
  name: "as",
  kind: "posix",
  args: object({ user: account(), applications: list(propapp(), { minItems: 1 }) }),
  call: (user: string, ...applications: MaybePropApp[]) => ({
    user,
    applications: withoutEmpty(applications),
  }),
  desc: ({ user }) => `as ${user}`,
  nested: ({ user, applications }) =>
    user === "root" ? undefined : { hops: [viaAs(user)], application: eseqprops(...applications) },
  parts: ({ user, applications }) => (user === "root" ? applications : []),
});

/** Applies each of `applications` in order on the same host, through further `hops`. The first failure stops the rest. */
export const reconnects = defprop({
  name: "reconnects",
  kind: "posix",
  args: object({ hops: list(hop(), { minItems: 1 }), applications: list(propapp(), { minItems: 1 }) }),
  call: (hops: Hop | readonly Hop[], ...applications: MaybePropApp[]) => ({
    hops: isHop(hops) ? [hops] : [...hops],
    applications: withoutEmpty(applications),
  }),
  desc: ({ hops }) => `through ${hops.map(hopAsCode).join(", ")}`,
  nested: ({ hops, applications }) => ({ hops, application: eseqprops(...applications) }),
});

const subject = {
  host: optional(hostname()),
  facts: optional(record(list(json()))),
  child: optional(boolean()),
};

/**
 * Deploys `host` from the host to which this is applied, over the given hops or else those of `host`: so one host can be
 * the controller of others. Further applications follow those of `host`. Prerequisite data for `host` is passed on. A
 * child host sees the facts of the host around it as its `parent`; any other host does not see them. Throws
 * `InapplicableProperty` when `host` has no hops and none are given.
 */
export const deploys = defprop({
  name: "deploys",
  kind: "posix",
  args: object({ ...subject, hops: list(hop()), applications: list(propapp()) }),
  call: (host: Host | ChildHost, ...rest: (Hop | readonly Hop[] | MaybePropApp)[]) => ({
    ...subjectOf(host),
    hops: hopsFor(host, rest),
    applications: [seqprops(...host.applications), ...separateHops(rest).others],
  }),
  desc: ({ host }) => `deploys ${host ?? "its child host"}`,
  nested: ({ hops, applications, ...subject }, around) => ({
    hops,
    host: modelOf(subject, around),
    application: seqprops(...applications),
  }),
});

/**
 * As `deploys`, but applies only `applications`, and `host` may be just a name. The host defined under that name, if any,
 * is looked up when the host around is prepared: it provides the facts, and the hops unless others are given.
 */
export const deploysThese = defprop({
  name: "deploysThese",
  kind: "posix",
  args: object({
    ...subject,
    named: optional(boolean()),
    hops: list(hop()),
    usual: list(propapp()),
    applications: list(propapp()),
  }),
  call: (host: Host | ChildHost | string, ...rest: (Hop | readonly Hop[] | MaybePropApp)[]) =>
    typeof host === "string"
      ? {
          host,
          named: true,
          hops: separateHops(rest).hops,
          usual: [],
          applications: separateHops(rest).others,
        }
      : {
          ...subjectOf(host),
          hops: hopsFor(host, rest),
          usual: [...host.applications],
          applications: separateHops(rest).others,
        },
  desc: ({ host }) => `deploys to ${host ?? "its child host"}`,
  nested: ({ hops, usual, applications, named, ...subject }, around) =>
    named
      ? namedHost(subject.host ?? "", hops, applications)
      : {
          hops,
          host: modelOf(subject, around),
          facts: seqprops(...usual),
          application: eseqprops(...applications),
        },
});

/** Looked up only now: the host may be defined in a file that is loaded after the one that names it. */
function namedHost(name: string, given: readonly Hop[], applications: readonly PropApp[]): NestedPlan {
  const hops = given.length > 0 ? given : hosts.get(name)?.deploy;
  if (!hops) {
    const why = hosts.get(name) ? "has none" : "is not defined";
    throw new InapplicableProperty(
      `no hops given, and the host ${name} ${why}; add hops, such as via.ssh({ user: "root" })`,
    );
  }
  const host = factsOf(name).copy().forAnother();
  return { hops, host, application: eseqprops(...applications) };
}

interface Subject {
  readonly host?: string | undefined;
  readonly facts?: Record<string, unknown[]> | undefined;
  readonly child?: boolean | undefined;
}

/** A host as arguments: its name, its initial facts, and true for `child` if it is inside the host around it. */
function subjectOf(host: Host | ChildHost): {
  host?: string;
  facts?: Record<string, unknown[]>;
  child?: boolean;
} {
  const { name, desc, hostattrs } = host;
  const facts = Object.fromEntries(
    Object.entries({ ...(desc !== undefined && { [shared.desc.key]: [desc] }), ...hostattrs }).map(
      ([key, values]) => [key, [...values]],
    ),
  );
  return {
    ...(name !== undefined && { host: name }),
    ...(Object.keys(facts).length > 0 && { facts }),
    ...("child" in host && { child: true }),
  };
}

const modelOf = ({ host, facts = {}, child }: Subject, around: HostModel): HostModel =>
  HostModel.of({ name: host ?? around.name, hostattrs: facts }, child ? around : undefined);

function hopsFor(host: Host | ChildHost, rest: readonly (Hop | readonly Hop[] | MaybePropApp)[]): Hop[] {
  const given = separateHops(rest).hops;
  const hops = given.length > 0 ? given : "deploy" in host ? host.deploy : undefined;
  if (hops) return [...hops];
  throw new InapplicableProperty(
    `no hops given, and ${host.name === undefined ? "the host" : `the host ${host.name}`} has none; add hops, such as via.ssh({ user: "root" })`,
  );
}
