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
 * Each of `applications` in order, as the user `user` of the host; the first that fails stops the rest. In an agent they
 * are applied by a pristine worker of that user, which knows nothing of what happens around it; over a shell by
 * runuser(1). It takes root, or to be that user already. "root" is meant as it stands: no hop is made for it.
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

/** Each of `applications` in order, on the same host, behind further `hops`; the first that fails stops the rest. */
export const reconnects = defprop({
  name: "reconnects",
  kind: "posix",
  args: object({ hops: list(hop(), { minItems: 1 }), applications: list(propapp(), { minItems: 1 }) }),
  call: (hops: Hop | readonly Hop[], ...applications: MaybePropApp[]) => ({
    hops: isHop(hops) ? [hops] : [...hops],
    applications: withoutEmpty(applications),
  }),
  desc: ({ hops }) => `behind ${hops.map(hopAsCode).join(", ")}`,
  nested: ({ hops, applications }) => ({ hops, application: eseqprops(...applications) }),
});

const subject = {
  host: optional(hostname()),
  facts: optional(record(list(json()))),
  child: optional(boolean()),
};

/**
 * `host` is deployed from where this is applied, over `hops` (its own unless given): so one host can be the controller
 * of others. Further applications follow those of the host. Prerequisite data of `host` passes through. A child host
 * finds the facts of the host around it as its parent's; another one is told nothing of it.
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
  desc: ({ host }) => `deploys ${host ?? "what is inside"}`,
  nested: ({ hops, applications, ...said }, around) => ({
    hops,
    host: modelOf(said, around),
    application: seqprops(...applications),
  }),
});

/**
 * As `deploys`, but only `applications` are applied, to a host that may be a mere name: when the host around is prepared,
 * a host defined under that name lends its facts, and its hops unless others are given.
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
  desc: ({ host }) => `deploys to ${host ?? "what is inside"}`,
  nested: ({ hops, usual, applications, named, ...said }, around) =>
    named
      ? namedHost(said.host ?? "", hops, applications)
      : {
          hops,
          host: modelOf(said, around),
          facts: seqprops(...usual),
          application: eseqprops(...applications),
        },
});

/** Looked up by its name as late as this: it may stand in a file that is loaded later than the one that names it. */
function namedHost(name: string, given: readonly Hop[], applications: readonly PropApp[]): NestedPlan {
  const hops = given.length > 0 ? given : hosts.get(name)?.deploy;
  if (!hops) {
    const why = hosts.get(name) ? "has none of its own" : "is not defined";
    throw new InapplicableProperty(`no hops are given, and the host ${name} ${why}`);
  }
  const host = factsOf(name).copy().without(shared.data);
  return { hops, host, application: eseqprops(...applications) };
}

interface Subject {
  readonly host?: string | undefined;
  readonly facts?: Record<string, unknown[]> | undefined;
  readonly child?: boolean | undefined;
}

/** A host as arguments: what it is called, what it begins with, whether it is inside of the one around it. */
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
    `no hops are given, and ${host.name === undefined ? "the host" : `the host ${host.name}`} has none of its own`,
  );
}
