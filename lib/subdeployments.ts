import { eseqprops, seqprops } from "./combinators";
import { as as viaAs } from "./connection/as";
import { type Hop, hopAsCode, isHop } from "./connection/hop";
import { InapplicableProperty } from "./errors";
import { type Host, HostModel, hosts } from "./host";
import { defprop, type MaybePropApp, withoutNothings } from "./property";
import { account, hop, hostname, list, object, propapp } from "./schema";

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
    applications: withoutNothings(applications),
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
    applications: withoutNothings(applications),
  }),
  desc: ({ hops }) => `behind ${hops.map(hopAsCode).join(", ")}`,
  nested: ({ hops, applications }) => ({ hops, application: eseqprops(...applications) }),
});

/**
 * `host` is deployed from where this is applied, over `hops` (its own unless given): so one host can be the controller
 * of others. Further applications follow those of the host. Prerequisite data of `host` passes through.
 */
export const deploys = defprop({
  name: "deploys",
  kind: "posix",
  args: object({ host: hostname(), hops: list(hop()), applications: list(propapp()) }),
  call: (host: Host, ...rest: (Hop | MaybePropApp)[]) => ({
    host: host.name,
    hops: hopsFor(host, rest),
    applications: [
      seqprops(...host.applications),
      ...withoutNothings(rest.filter((each) => !isHop(each)) as MaybePropApp[]),
    ],
  }),
  desc: ({ host }) => `deploys ${host}`,
  nested: ({ host, hops, applications }, around) => ({
    hops,
    host: HostModel.inside(host, around),
    application: seqprops(...applications),
  }),
});

/** As `deploys`, but only `applications` are applied, to a host that may be a mere name. */
export const deploysThese = defprop({
  name: "deploysThese",
  kind: "posix",
  args: object({
    host: hostname(),
    hops: list(hop()),
    usual: list(propapp()),
    applications: list(propapp()),
  }),
  call: (host: Host | string, ...rest: (Hop | MaybePropApp)[]) => {
    const defined = typeof host === "string" ? hosts.get(host) : host;
    return {
      host: typeof host === "string" ? host : host.name,
      hops: hopsFor(defined, rest),
      usual: [...(defined?.applications ?? [])],
      applications: withoutNothings(rest.filter((each) => !isHop(each)) as MaybePropApp[]),
    };
  },
  desc: ({ host }) => `deploys to ${host}`,
  nested: ({ host, hops, usual, applications }, around) => ({
    hops,
    host: HostModel.inside(host, around),
    facts: seqprops(...usual),
    application: eseqprops(...applications),
  }),
});

function hopsFor(host: Host | undefined, rest: readonly (Hop | MaybePropApp)[]): Hop[] {
  const given = rest.filter(isHop) as Hop[];
  const hops = given.length > 0 ? given : host?.deploy;
  if (hops) return [...hops];
  throw new InapplicableProperty("no hops are given, and the host has none of its own");
}
