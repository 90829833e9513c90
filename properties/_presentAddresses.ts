/** The addresses that an interface has now, as ifupdown is told them. */
import { AbortedChange, type PosixTarget } from "consfigurator";
import { stanza } from "./_ifupdown";
import { defaultRoute, type NetworkInterface } from "./_networkInterface";

interface ShownAddress {
  readonly family: string;
  readonly local: string;
  readonly prefixlen: number;
  readonly scope: string;
  /** True: it was given for a time, by DHCP or a router. */
  readonly dynamic?: boolean;
}

const ABOUT = { about: { paths: ["/sys/class/net"] } };

async function shownAddresses(target: PosixTarget, family: 4 | 6, now: string): Promise<ShownAddress[]> {
  const { stdout } = await target.query(["ip", "-json", `-${family}`, "address", "show", "dev", now], ABOUT);
  return (JSON.parse(stdout || "[]") as { readonly addr_info?: readonly ShownAddress[] }[])
    .flatMap(({ addr_info = [] }) => addr_info)
    .filter(({ scope, local }) => scope === "global" && local !== undefined);
}

/** The lines for its IPv4 addresses; the gateway is reached from the first. */
export async function presentStanzas(
  target: PosixTarget,
  { name, now = name }: NetworkInterface,
): Promise<string[]> {
  const shown = await shownAddresses(target, 4, now);
  if (shown.length === 0)
    throw new AbortedChange(
      `${now} has no IPv4 address to be kept; name another interface, or use network.static`,
    );
  const route = await defaultRoute(target);
  const gateway = route?.through === now ? route.gateway : undefined;
  return shown.flatMap(({ local, prefixlen }, index) =>
    stanza(name, { address: local, prefix: prefixlen, gateway: index === 0 ? gateway : undefined }),
  );
}

/** As `presentStanzas`, with DHCP where its address comes from there, and with the IPv6 addresses that it has for good. */
export async function presentConfiguration(
  target: PosixTarget,
  found: NetworkInterface,
): Promise<{ readonly lines: string[]; readonly dhcp: boolean }> {
  const { name, now = name } = found;
  const [ipv4, ipv6] = await Promise.all([shownAddresses(target, 4, now), shownAddresses(target, 6, now)]);
  const dhcp = ipv4.some(({ dynamic }) => dynamic === true);
  const lasting = ipv6.filter(({ dynamic }) => dynamic !== true);
  const gateway = lasting.length > 0 ? await ipv6Gateway(target, now) : undefined;
  return {
    dhcp,
    lines: [
      ...(dhcp ? [`iface ${name} inet dhcp`] : await presentStanzas(target, found)),
      ...lasting.flatMap(({ local, prefixlen }, index) =>
        stanza(name, { address: local, prefix: prefixlen, gateway: index === 0 ? gateway : undefined }),
      ),
    ],
  };
}

interface ShownRoute {
  readonly gateway?: string;
  /** "ra": a router has told it, and will again. */
  readonly protocol?: string;
}

async function ipv6Gateway(target: PosixTarget, now: string): Promise<string | undefined> {
  const { stdout } = await target.query(["ip", "-json", "-6", "route", "show", "default", "dev", now], {
    ...ABOUT,
    mayFail: true,
  });
  const routes = JSON.parse(stdout.trim() || "[]") as readonly ShownRoute[];
  return routes.find(({ gateway, protocol }) => gateway !== undefined && protocol !== "ra")?.gateway;
}
