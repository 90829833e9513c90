/** What is known of a host in the network, without a change of the machine. */
import { isIPv4, isIPv6 } from "node:net";
import { defprop, InapplicableProperty, schema, shared } from "consfigurator";

const { hostname, list, object, string } = schema;

export const address = () =>
  string({
    pattern: "^[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]*$",
    description: 'an IP address, such as "203.0.113.7"',
  });

/**
 * The host has further names, for the properties after this one, such as `ssh.knownHost`. It does not change the machine.
 *
 * @example network.aliases("www.example.org")
 */
export const aliases = defprop({
  name: "network.aliases",
  kind: "posix",
  args: object({ names: list(hostname()) }),
  call: (...names: string[]) => ({ names }),
  desc: ({ names }) => `is also called ${names.join(", ")}`,
  hostattrs: ({ names }, host) => {
    for (const name of names) if (name !== host.name) host.pushNew(shared.aliases, name);
  },
});

function refuseUnless(addresses: readonly string[], version: "IPv4" | "IPv6"): void {
  const wrong = addresses.find((each) => !(version === "IPv4" ? isIPv4(each) : isIPv6(each)));
  if (wrong !== undefined) throw new InapplicableProperty(`${wrong} is no ${version} address`);
}

/**
 * The host has these public IPv4 addresses, for the properties after this one, such as `ssh.knownHost`. It does not change the
 * machine: see `network.static`.
 *
 * @example network.ipv4("203.0.113.7")
 */
export const ipv4 = defprop({
  name: "network.ipv4",
  kind: "posix",
  args: object({ addresses: list(address()) }),
  call: (...addresses: string[]) => ({ addresses }),
  desc: ({ addresses }) => `has ${addresses.join(", ")}`,
  hostattrs: ({ addresses }, host) => {
    refuseUnless(addresses, "IPv4");
    for (const each of addresses) host.pushNew(shared.ipv4, each);
  },
});

/**
 * As `network.ipv4`, for IPv6.
 *
 * @example network.ipv6("2001:db8::7")
 */
export const ipv6 = defprop({
  name: "network.ipv6",
  kind: "posix",
  args: object({ addresses: list(address()) }),
  call: (...addresses: string[]) => ({ addresses }),
  desc: ({ addresses }) => `has ${addresses.join(", ")}`,
  hostattrs: ({ addresses }, host) => {
    refuseUnless(addresses, "IPv6");
    for (const each of addresses) host.pushNew(shared.ipv6, each);
  },
});
