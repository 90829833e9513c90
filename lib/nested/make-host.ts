import { seqprops } from "../combinators";
import { prepare } from "../engine/prepare";
import { refuseArguments } from "../model/errors";
import type { Hop } from "../model/hop";
import { type Host, type Hostattrs, type HostOptions, shared } from "../model/host";
import { frozenCopy, notPlainData } from "../model/plain-data";
import { type MaybePropApp, type PropApp, withoutEmpty } from "../model/property";
import {
  hop,
  hostname,
  json,
  list,
  object,
  optional,
  problems,
  propapp,
  record,
  string,
} from "../model/schema";
import { callSite } from "../model/site";

/** What a host begins with. */
export interface MadeHostOptions extends HostOptions {
  /** Facts by their keys, the newest value first. */
  readonly hostattrs?: Hostattrs;
}

/** A host inside of another one: a container, a chroot, an image that is being made. */
export interface ChildHost {
  /** Undefined: called like the host that it is inside of. */
  readonly name: string | undefined;
  readonly child: true;
  readonly desc: string | undefined;
  readonly hostattrs: Hostattrs;
  readonly applications: readonly PropApp[];
  readonly site: string;
}

/**
 * A host as a value: it is in no list of hosts, and may be deployed as it is. Throws `InvalidArguments` for a name that
 * is none and for what is no property.
 */
export function makeHost(name: string, options: MadeHostOptions = {}, ...applications: MaybePropApp[]): Host {
  const complaints = [
    ...problems(hostname(), name, "name"),
    ...problems(optionsSchema, options, "options"),
    ...notPlainData([options.hostattrs ?? {}], "options.hostattrs"),
    ...problems(list(propapp()), withoutEmpty(applications), "properties"),
  ];
  refuseArguments("makeHost", complaints, makeHost);
  const { deploy, desc, hostattrs } = options;
  return Object.freeze({
    name,
    deploy,
    desc,
    ...(hostattrs && { hostattrs: frozenCopy(hostattrs) }),
    applications: withoutEmpty(applications),
    site: callSite().toString(),
    made: true as const,
  });
}

/**
 * A host that is inside of whichever host deploys it, with `deploys(child, via.chroot("/srv/c"))`. Its properties find
 * the facts of that one as those of their host's `parent`. Throws `InvalidArguments` as `makeHost`.
 */
export function makeChildHost(
  options: { readonly name?: string } & Omit<MadeHostOptions, "deploy"> = {},
  ...applications: MaybePropApp[]
): ChildHost {
  const complaints = [
    ...problems(childSchema, options, "options"),
    ...notPlainData([options.hostattrs ?? {}], "options.hostattrs"),
    ...problems(list(propapp()), withoutEmpty(applications), "properties"),
  ];
  refuseArguments("makeChildHost", complaints, makeChildHost);
  const { name, desc, hostattrs = {} } = options;
  return Object.freeze({
    name,
    child: true as const,
    desc,
    hostattrs: frozenCopy(hostattrs),
    applications: withoutEmpty(applications),
    site: callSite().toString(),
  });
}

/** `host` with further properties, which come after its own; those are said once the first have failed, too. Without hops. */
export const unionPropspecIntoHost = (host: Host, ...applications: MaybePropApp[]): Host =>
  makeHost(host.name, withoutHops(host), ...host.applications, ...applications);

/**
 * `host` with other properties in place of its own, which are asked for the facts they state and for nothing else: the
 * prerequisite data they need is not that of the new host. Without hops. Throws `Refused` where they do not fit.
 */
export function replacePropspecIntoHost(host: Host, ...applications: MaybePropApp[]): Host {
  const { model } = prepare(host, seqprops(...host.applications));
  const { [shared.hostname.key]: _name, ...hostattrs } = model.without(shared.data).toJSON().attributes;
  return makeHost(host.name, { ...withoutHops(host), hostattrs }, ...applications);
}

const withoutHops = ({ desc, hostattrs }: Host): Omit<MadeHostOptions, "deploy"> & { deploy?: Hop[] } => ({
  ...(desc !== undefined && { desc }),
  ...(hostattrs && { hostattrs }),
});

const facts = { desc: optional(string()), hostattrs: optional(record(list(json()))) };
const optionsSchema = object({ deploy: optional(list(hop())), ...facts });
const childSchema = object({ name: optional(hostname()), ...facts });
