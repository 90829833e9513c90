import { seqprops } from "../combinators";
import { preparationCache } from "../engine/preparation-cache";
import { prepare } from "../engine/prepare";
import { type Attribute, type Host, type HostFacts, HostModel, hosts } from "../model/host";
import { defprop } from "../model/property";
import { json, list, object, string } from "../model/schema";

/**
 * The facts of another host, as its properties state them. For `hostattrs` and `parts`: on a host that is deployed to,
 * the others are not known. Ask once for several facts of one host. Two hosts may look at each other: of the one that is
 * prepared already, what it has said so far is seen. Of a name that no host has, only the name is known.
 */
export const factsOf = (host: Host | string): HostFacts => modelOf(host);

/**
 * The facts of the hosts that `host` deploys, with `deploys` and `deploysThese`: those inside of it, which have it as
 * their `parent`, and others; each as often as it stands there. To be asked where `factsOf` is; of the host that is being prepared, those so far are known.
 * What they deploy themselves is asked in the same way: `childrenOf(child)`.
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

/** The host has the fact `key` with these values, the first being the newest. Nothing is done on the host. */
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
