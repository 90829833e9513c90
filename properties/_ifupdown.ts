/** The files of ifupdown, as Debian arranges them. */
import { BlockList, isIPv4 } from "node:net";
import { AbortedChange, InapplicableProperty, type PosixTarget } from "consfigurator";

export const DIRECTORY = "/etc/network/interfaces.d";
export const MAIN = "/etc/network/interfaces";

/**
 * What a new system has got from the one that it replaces, until a property configures the interface: that one removes the
 * file.
 */
export const CARRIED = `${DIRECTORY}/carried-over`;

/** The file of Debian's package. */
export const STOCK = [
  "# interfaces(5) file used by ifup(8) and ifdown(8)",
  "# Include files from /etc/network/interfaces.d:",
  `source ${DIRECTORY}/*`,
];

/** An address of an interface that does not change. */
export interface Static {
  readonly address: string;
  readonly prefix: number;
  readonly gateway?: string | undefined;
}

export type Family = "inet" | "inet6";
export const familyOf = (address: string): Family => (isIPv4(address) ? "inet" : "inet6");

/** The lines for an address. The gateway may be outside of its network, as where each machine has a network of its own. */
export function stanza(name: string, { address, prefix, gateway }: Static): string[] {
  const family = familyOf(address);
  const route = `up ip ${family === "inet6" ? "-6 " : ""}route add default via ${gateway} dev ${name} onlink`;
  const isInside = gateway !== undefined && isOnLink({ address, prefix, gateway });
  return [
    `iface ${name} ${family} static`,
    `\taddress ${address}`,
    `\tnetmask ${family === "inet" ? dotted(prefix) : prefix}`,
    ...(gateway === undefined ? [] : [isInside ? `\tgateway ${gateway}` : `\t${route}`]),
  ];
}

/** Whether the gateway is reached without another one. */
export function isOnLink({ address, prefix, gateway = "" }: Static): boolean {
  const family = familyOf(address) === "inet" ? "ipv4" : "ipv6";
  if (family === "ipv6" && /^fe[89ab]/i.test(gateway)) return true;
  const network = new BlockList();
  network.addSubnet(address, prefix, family);
  return gateway !== address && network.check(gateway, family);
}

const dotted = (prefix: number): string =>
  [0, 8, 16, 24].map((at) => 256 - 2 ** (8 - Math.min(8, Math.max(0, prefix - at)))).join(".");

/** The prefix of `address`/prefix, or of a netmask, dotted or as a number. Throws `InapplicableProperty` when there is none. */
export function prefixOf(address: string, netmask: string | undefined): number {
  const [bare = "", given = netmask] = address.split("/");
  const longest = familyOf(bare) === "inet" ? 32 : 128;
  if (given === undefined)
    throw new InapplicableProperty(`${address} needs a netmask; give one, or write it as ${bare}/24`);
  const prefixes = [...Array(longest + 1).keys()];
  const prefix = prefixes.find(
    (each) => String(each) === given || (longest === 32 && dotted(each) === given),
  );
  if (prefix !== undefined) return prefix;
  throw new InapplicableProperty(
    `${given} is no netmask; give one such as ${longest === 32 ? "255.255.255.0" : "64"}, after the gateway`,
  );
}

/** Refuses an interface that another file configures, too: ifupdown does what both say. */
export async function refuseOthers(
  target: PosixTarget,
  names: readonly string[],
  family: Family,
  own: string,
): Promise<void> {
  const inDirectory = ((await target.list(DIRECTORY)) ?? []).map((each) => `${DIRECTORY}/${each}`);
  const others = [MAIN, ...inDirectory].filter((each) => each !== own && each !== CARRIED);
  for (const file of others) {
    const other = configures(await target.readLines(file), names, family);
    if (other)
      throw new AbortedChange(
        `${file} has "${other.join(" ")}", too; ${adviceFor(file)} before this property`,
      );
  }
}

/** The words of the first of `lines` that configures one of the interfaces `names`, for `family` unless that is left out. */
export const configures = (
  lines: readonly string[],
  names: readonly string[],
  family?: Family,
): string[] | undefined =>
  lines
    .map((line) => line.trim().split(/\s+/))
    .find(
      ([word, name = "", its]) =>
        word === "iface" && names.includes(name) && (family === undefined || its === family),
    );

function adviceFor(file: string): string {
  if (file === MAIN) return "put network.cleanEtcNetworkInterfaces()";
  if (file.endsWith("-cloud-init")) return "put network.cloudInitDisabled()";
  return `put file.doesNotExist("${file}")`;
}

/** `lines` of the main file, which read those of the directory. */
export function sourced(lines: readonly string[]): readonly string[] {
  const reads = (line: string) =>
    /^\s*(source|source-directory)\s+(\/etc\/network\/)?interfaces\.d(\/\*)?\s*$/.test(line);
  return lines.some(reads) ? lines : lines.length === 0 ? STOCK : [...lines, "", `source ${DIRECTORY}/*`];
}
