import { seqprops } from "../combinators";
import { preparationCache } from "../engine/preparation-cache";
import { prepare } from "../engine/prepare";
import { type Attribute, type Host, type HostFacts, HostModel, hosts } from "../model/host";
import { defprop } from "../model/property";
import { json, list, object, string } from "../model/schema";

/**
 * The facts of another host, as recorded by its properties. For use in `hostattrs` and `parts`, which run on the
 * controller; a host being deployed does not know the others. Call it once for several facts of one host. Two hosts may
 * inspect each other: of a host that is already being prepared, the facts recorded so far are visible. For a name that is
 * not defined, only the name is known.
 */
export const factsOf = (host: Host | string): HostFacts => modelOf(host);

/**
 * The facts of the hosts that `host` deploys with `deploys` and `deploysThese`, once per occurrence: hosts inside it, which
 * have it as their `parent`, and others. For use where `factsOf` is; of a host that is being prepared, those found so far
 * are returned. For the hosts that they deploy in turn, call `childrenOf(child)`.
 */
export const childrenOf = (host: Host | HostFacts | string): readonly HostFacts[] =>
  host instanceof HostModel ? host.children : modelOf(host as Host | string).children;

function modelOf(host: Host | string): HostModel {
  const name = typeof host === "string" ? host : host.name;
  const defined = typeof host === "string" ? hosts.get(name) : host;
  const known = preparationCache.get(name);
  if (known) return known;
  if (!defined) return HostModel.named(name);
  return preparationCache.once(defined, () => prepare(defined, seqprops(...defined.applications)).model);
}

/** Records the fact `key` with these values, the first being the newest. Does nothing on the host. */
export const hasHostattrs = defprop({
  name: "hasHostattrs",
  kind: "posix",
  args: object({ key: string({ minLength: 1 }), values: list(json(), { minItems: 1 }) }),
  call: (fact: Attribute<unknown> | string, ...values: unknown[]) => ({
    key: typeof fact === "string" ? fact : fact.key,
    values,
  }),
  desc: ({ key }) => `has the fact ${key}`,
  hostattrs: ({ key, values }, host) => host.push({ key }, ...values),
});
