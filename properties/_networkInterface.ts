/** Interfaces of a network by name, by MAC address, or by what goes through them. */
import { AbortedChange, type PosixTarget, schema } from "consfigurator";
import { isInhibited } from "./_inhibited";

const { string } = schema;

/** Stands for the interface that the default route goes through. No name has a blank in it. */
export const DEFAULT_ROUTE = "default route";

const MAC = /^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$/;

export const networkInterface = () =>
  string({
    pattern: `^(${DEFAULT_ROUTE}|${MAC.source.slice(1, -1)}|(?!\\.{1,2}$)[^\\s/:]{1,15})$`,
    description: `a network interface: its name, its MAC address, or "${DEFAULT_ROUTE}" for the one that the default route goes through`,
  });

/** An interface that a property configures. */
export interface NetworkInterface {
  /** Its name after the next boot. */
  readonly name: string;
  /** Its present name; undefined where it is not to be seen. */
  readonly now: string | undefined;
  /** The .link file that gives it its name, and its content; undefined when the consfig names it. */
  readonly link: { readonly path: string; readonly text: string } | undefined;
}

/** A name for the files that belong to an interface as `given` in a consfig. */
export const fileNameOf = (given: string): string =>
  (MAC.test(given) ? byMac(given) : given).replace(
    /[^A-Za-z0-9.]/g,
    (each) => `_${each.charCodeAt(0).toString(16).toUpperCase()}_`,
  );

export const linkFileOf = (given: string): string | undefined =>
  MAC.test(given) || given === DEFAULT_ROUTE
    ? `/etc/systemd/network/10-${fileNameOf(given)}.link`
    : undefined;

/** The name that systemd makes of a MAC address. */
const byMac = (mac: string): string => `enx${mac.toLowerCase().replaceAll(":", "")}`;

/** Looks up the interface that is `given` in a consfig. Throws `AbortedChange` when there is none. */
export async function lookedUp(target: PosixTarget, given: string): Promise<NetworkInterface> {
  const path = linkFileOf(given);
  if (path === undefined) return { name: given, now: given, link: undefined };
  const [all, earlier] = await Promise.all([macAddresses(target), target.readLines(path)]);
  const [now, mac] = await found(target, given, all);
  const settings = new Map(earlier.map((line) => line.split("=", 2) as [string, string]));
  const known = settings.get("MACAddress") === mac ? settings.get("Name") : undefined;
  // Which card eth0 is, is another question after each boot.
  const isLasting = now !== undefined && !/^(eth|wlan|usb|wwan)[0-9]+$/.test(now);
  const name = known ?? (isLasting ? now : byMac(mac));
  const text = `[Match]\nMACAddress=${mac}\nKind=!*\n\n[Link]\nName=${name}\n`;
  return { name, now, link: { path, text } };
}

async function found(
  target: PosixTarget,
  given: string,
  all: ReadonlyMap<string, string>,
): Promise<[now: string | undefined, mac: string]> {
  if (given === DEFAULT_ROUTE) {
    const now = (await defaultRoute(target))?.through;
    const mac = now === undefined ? undefined : all.get(now);
    if (now !== undefined && mac !== undefined) return [now, mac];
    throw new AbortedChange(
      now === undefined
        ? "there is no default route; name the interface, or its MAC address"
        : `the default route goes through ${now}, which has no MAC address; name the interface`,
    );
  }
  const mac = given.toLowerCase();
  const [now] = [...all].find(([, each]) => each === mac) ?? [];
  // What is built in place is for another machine.
  if (now !== undefined || isInhibited(target)) return [now, mac];
  const those = [...all].map(([name, each]) => `${name} (${each})`).join(", ");
  throw new AbortedChange(`no interface has the MAC address ${mac}; there are ${those}`);
}

const INTERFACES = "/sys/class/net";

/** The MAC addresses by name: those of devices, before those of what is made of them, such as VLANs. */
async function macAddresses(target: PosixTarget): Promise<Map<string, string>> {
  const names = (await target.list(INTERFACES)) ?? [];
  const all = await Promise.all(
    names.map(async (name) => {
      const [isDevice, lines] = await Promise.all([
        target.lstat(`${INTERFACES}/${name}/device`),
        target.readLines(`${INTERFACES}/${name}/address`),
      ]);
      return { name, isDevice: isDevice !== undefined, mac: lines[0]?.trim() ?? "" };
    }),
  );
  const withMac = all.filter(({ mac }) => MAC.test(mac) && mac !== "00:00:00:00:00:00");
  const devicesFirst = withMac.sort((one, other) => Number(other.isDevice) - Number(one.isDevice));
  return new Map(devicesFirst.map(({ name, mac }) => [name, mac]));
}

/** The IPv4 default route that counts. */
export async function defaultRoute(
  target: PosixTarget,
): Promise<{ readonly through: string; readonly gateway: string | undefined } | undefined> {
  const [, ...lines] = await target.readLines("/proc/net/route");
  const [route] = lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , , , , , mask]) => destination === "00000000" && mask === "00000000")
    .sort((one, other) => Number(one[6]) - Number(other[6]));
  if (!route) return undefined;
  const [through = "", , gateway = ""] = route;
  const bytes = gateway.match(/../g)?.map((each) => Number.parseInt(each, 16)) ?? [];
  return { through, gateway: gateway === "00000000" ? undefined : bytes.reverse().join(".") };
}
