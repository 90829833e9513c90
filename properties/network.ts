/** Networks: the names and addresses of a host, and its interfaces with ifupdown. */
import { isIP } from "node:net";
import {
  type Change,
  defprop,
  type HostModel,
  InapplicableProperty,
  type PosixTarget,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import {
  CARRIED,
  configures,
  DIRECTORY,
  familyOf,
  isOnLink,
  MAIN,
  prefixOf,
  refuseOthers,
  STOCK,
  type Static,
  sourced,
  stanza,
} from "./_ifupdown";
import { needsRoot } from "./_needs";
import { address } from "./_networkFacts";
import {
  DEFAULT_ROUTE,
  fileNameOf,
  linkFileOf,
  lookedUp,
  type NetworkInterface,
  networkInterface,
} from "./_networkInterface";
import * as os from "./_os";
import { needsProgram, refuseAnother } from "./_ownFile";
import { presentStanzas } from "./_presentAddresses";

const { object, optional, record, string } = schema;

export { aliases, ipv4, ipv6 } from "./_networkFacts";

/**
 * /etc/network/interfaces is as Debian brings it: it configures no interface itself, and reads the files in
 * /etc/network/interfaces.d.
 *
 * @example network.cleanEtcNetworkInterfaces()
 */
export const cleanEtcNetworkInterfaces = defprop({
  name: "network.cleanEtcNetworkInterfaces",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => `${MAIN} configures no interface itself`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  apply: async (_args, target) => {
    await needsRoot(target, "network.cleanEtcNetworkInterfaces");
    return target.ensureContent(MAIN, `${STOCK.join("\n")}\n`);
  },
});

const CLOUD_INIT = "/etc/cloud/cloud.cfg.d/99-disable-network-config.cfg";
const CLOUD_INIT_MADE = [
  `${DIRECTORY}/50-cloud-init`,
  "/etc/netplan/50-cloud-init.yaml",
  "/etc/udev/rules.d/70-persistent-net.rules",
];

/**
 * cloud-init does not configure the network, and what it has written for ifupdown, netplan and udev is gone. Put another
 * configuration after it, before the host boots. Unapplying it lets cloud-init configure the network again when it boots.
 *
 * @example network.cloudInitDisabled()
 */
export const cloudInitDisabled = defprop({
  name: "network.cloudInitDisabled",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "cloud-init does not configure the network",
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async (_args, target) => {
    await needsRoot(target, "network.cloudInitDisabled");
    const isThere = (await target.stat("/etc/cloud")) !== undefined;
    const changes: Change[] = [];
    if (isThere) changes.push(await target.ensureContent(CLOUD_INIT, "network: {config: disabled}\n"));
    for (const file of CLOUD_INIT_MADE)
      if (await isByCloudInit(target, file)) changes.push(await target.remove(file));
    return changes.includes("changed") ? "changed" : "unchanged";
  },
  unapply: async (_args, target) => {
    await needsRoot(target, "network.cloudInitDisabled");
    return target.remove(CLOUD_INIT);
  },
});

/** The names of files alone do not tell. */
const isByCloudInit = async (target: PosixTarget, file: string): Promise<boolean> =>
  (await target.readLines(file)).some((line) => line.includes("cloud-init"));

const options = () =>
  record(string({ pattern: "^[^\\n\\r]*\\S[^\\n\\r]*$", description: "a value on one line" }), {
    propertyNames: { pattern: "^[a-z][a-z0-9_-]*$" },
  });
type Options = Readonly<Record<string, string>>;

const staticArgs = object({
  interface: networkInterface(),
  address: string({
    pattern: "^[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]*(/[0-9]+)?$",
    description: 'an IP address, such as "203.0.113.7" or "203.0.113.7/24"',
  }),
  gateway: optional(address()),
  netmask: optional(string({ pattern: "^[0-9.]+$", description: 'a netmask, such as "255.255.255.0"' })),
  options: options(),
});
type StaticArgs = schema.Infer<typeof staticArgs>;

function parsed({ address, gateway, netmask }: StaticArgs): Static {
  const [bare = ""] = address.split("/");
  for (const each of [bare, ...(gateway === undefined ? [] : [gateway])])
    if (isIP(each) === 0) throw new InapplicableProperty(`${each} is no IP address`);
  return { address: bare, prefix: prefixOf(address, netmask), gateway };
}

/** What is most often wrong: gateway and netmask in the other order. */
function refuseUnreachable(given: Static): void {
  const { address, prefix, gateway } = given;
  if (gateway === undefined || isOnLink(given) || prefix === (familyOf(address) === "inet" ? 32 : 128))
    return;
  throw new InapplicableProperty(
    `the gateway ${gateway} is not in the network of ${address}/${prefix}; correct one of them, or give the address the prefix ${familyOf(address) === "inet" ? 32 : 128} when its network is its own`,
  );
}

const fileFor = (given: string, family: string): string =>
  `${DIRECTORY}/${fileNameOf(given)}${family === "inet6" ? ".inet6" : ""}`;

const linesOf = (options: Options): string[] =>
  Object.entries(options).map(([key, value]) => `\t${key} ${value}`);

/** Writes the configuration of an interface, and what gives it its name. */
async function written(
  target: PosixTarget,
  file: string,
  { name, link }: NetworkInterface,
  lines: readonly string[],
): Promise<Change> {
  const changes: Change[] = [];
  const text = [`auto ${name}`, ...lines].map((line) => `${line}\n`).join("");
  if (link)
    changes.push(await withCreatedNoted(target, link.path, () => target.ensureContent(link.path, link.text)));
  changes.push(await withCreatedNoted(target, file, () => target.ensureContent(file, text)));
  if (configures(await target.readLines(CARRIED), [name])) changes.push(await target.remove(CARRIED));
  changes.push(await target.editLines(MAIN, sourced));
  return changes.includes("changed") ? "changed" : "unchanged";
}

async function removed(target: PosixTarget, file: string, given: string): Promise<Change> {
  const change = await withCreatedRemoved(target, file, () => target.remove(file));
  const link = linkFileOf(given);
  const isNeeded = (await target.list(DIRECTORY))?.some((each) => each.startsWith(fileNameOf(given)));
  if (link === undefined || isNeeded) return change;
  const unlinked = await withCreatedRemoved(target, link, () => target.remove(link));
  return unlinked === "changed" ? unlinked : change;
}

const ifupdown = { program: "ifup", package: "ifupdown" };

const present = (...names: (string | undefined)[]): string[] => names.filter((each) => each !== undefined);

/**
 * From the next boot on, `interface` has the IP address `address`, and packets to elsewhere go through `gateway`: by a file of
 * its own in /etc/network/interfaces.d, for ifupdown, which must be installed. The netmask is the last argument, or part of the
 * address. `options` are further lines, as in interfaces(5). What runs now stays as it is. A file that configures the interface,
 * too, is refused; so is, before connecting, a gateway outside of the network, unless the network has one address only.
 *
 * An interface that is given by its MAC address, or as "default route", keeps its name, also in another operating system: a .link
 * file in /etc/systemd/network says so. One that the kernel has named, such as eth0, gets a name by its MAC address. Unapplying it
 * removes both files.
 *
 * @example network.static("ens3", "203.0.113.7", "203.0.113.1", "255.255.255.0")
 * @example network.static("default route", "203.0.113.7/24", "203.0.113.1", undefined, { "dns-nameservers": "203.0.113.2" })
 * @example network.static("52:54:00:12:34:56", "2001:db8::7/64", "fe80::1")
 */
const staticAddress = defprop({
  name: "network.static",
  kind: "posix",
  args: staticArgs,
  call: (
    iface: string,
    address: string,
    gateway?: string,
    netmask?: string,
    options: Options = {},
  ): StaticArgs => ({
    interface: iface,
    address,
    ...(gateway !== undefined && { gateway }),
    ...(netmask !== undefined && { netmask }),
    options: { ...options },
  }),
  desc: (args) => `${args.interface} has ${args.address}`,
  hostattrs: (args, host) => {
    os.required(host, "debianlike");
    const given = parsed(args);
    refuseUnreachable(given);
    refuseSecond(host, args.interface, given, args);
  },
  apply: async (args, target) => {
    await needsRoot(target, "network.static");
    await needsProgram(target, ifupdown);
    const given = parsed(args);
    const family = familyOf(given.address);
    const file = fileFor(args.interface, family);
    const found = await lookedUp(target, args.interface);
    await refuseOthers(target, present(found.name, found.now), family, file);
    return written(target, file, found, [...stanza(found.name, given), ...linesOf(args.options)]);
  },
  unapply: async (args, target) => {
    await needsRoot(target, "network.static");
    return removed(target, fileFor(args.interface, familyOf(parsed(args).address)), args.interface);
  },
});

export { staticAddress as static };

const refuseSecond = (host: HostModel, given: string, { address }: Static, args: unknown): void =>
  refuseAnother(host, fileFor(given, familyOf(address)), JSON.stringify(args));

const onceArgs = object({ interface: networkInterface(), options: options() });

/**
 * From the next boot on, `interface` (default: the one that the default route goes through) has the IPv4 addresses that it has now,
 * and the same gateway, as with `network.static`. Only once: when there is such a file, it stays as it is. IPv6 addresses are
 * left to the network. For a machine whose provider gives it an address, before its operating system is replaced.
 * Unapplying it removes the file.
 *
 * @example network.preserveStaticOnce()
 * @example network.preserveStaticOnce("ens3", { "dns-nameservers": "203.0.113.2" })
 */
export const preserveStaticOnce = defprop({
  name: "network.preserveStaticOnce",
  kind: "posix",
  args: onceArgs,
  call: (iface: string = DEFAULT_ROUTE, options: Options = {}) => ({
    interface: iface,
    options: { ...options },
  }),
  desc: (args) => `${args.interface} keeps its addresses`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  check: async (args, target) => (await target.stat(fileFor(args.interface, "inet"))) !== undefined,
  apply: async (args, target) => {
    await needsRoot(target, "network.preserveStaticOnce");
    await needsProgram(target, ifupdown);
    const file = fileFor(args.interface, "inet");
    const found = await lookedUp(target, args.interface);
    await refuseOthers(target, present(found.name), "inet", file);
    const lines = await presentStanzas(target, found);
    return written(target, file, found, [...lines, ...linesOf(args.options)]);
  },
  unapply: async (args, target) => {
    await needsRoot(target, "network.preserveStaticOnce");
    return removed(target, fileFor(args.interface, "inet"), args.interface);
  },
});
