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

/** The options of `makeHost`. */
export interface MadeHostOptions extends HostOptions {
  /** The initial facts by key, newest value first. */
  readonly hostattrs?: Hostattrs;
}

/** A host inside another host: a container, a chroot, an image that is being made. */
export interface ChildHost {
  /** Undefined: it has the name of the host that contains it. */
  readonly name: string | undefined;
  readonly child: true;
  readonly desc: string | undefined;
  readonly hostattrs: Hostattrs;
  readonly applications: readonly PropApp[];
  readonly site: string;
}

/**
 * Makes a host without adding it to the defined hosts; it can be deployed directly. Throws `InvalidArguments` for an
 * invalid name, and for values that are not properties.
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
 * Makes a host inside the host that deploys it, such as with `deploys(child, via.chroot("/srv/c"))`. Its properties see
 * the facts of that host as `parent` of their own. Throws `InvalidArguments` as `makeHost`.
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

/** A copy of `host` with further properties after its own, which are applied even if those fail. Has no hops. */
export const unionPropspecIntoHost = (host: Host, ...applications: MaybePropApp[]): Host =>
  makeHost(host.name, withoutHops(host), ...host.applications, ...applications);

/**
 * A copy of `host` with other properties instead of its own, and with the facts that its own record, except the
 * prerequisite data they need. Has no hops. Throws `Refused` when the host's own properties cannot be prepared.
 */
export function replacePropspecIntoHost(host: Host, ...applications: MaybePropApp[]): Host {
  const { model } = prepare(host, seqprops(...host.applications));
  const { [shared.hostname.key]: _name, ...hostattrs } = model.forAnother().toJSON().attributes;
  return makeHost(host.name, { ...withoutHops(host), hostattrs }, ...applications);
}

const withoutHops = ({ desc, hostattrs }: Host): Omit<MadeHostOptions, "deploy"> & { deploy?: Hop[] } => ({
  ...(desc !== undefined && { desc }),
  ...(hostattrs && { hostattrs }),
});

const facts = { desc: optional(string()), hostattrs: optional(record(list(json()))) };
const optionsSchema = object({ deploy: optional(list(hop())), ...facts });
const childSchema = object({ name: optional(hostname()), ...facts });
