import { FailedChange } from "../model/errors";
import type { PosixTarget } from "../model/target";
import { jsonOf } from "./_json";

/** A network interface. */
export interface Link {
  readonly name: string;
  readonly state: string;
  readonly mac: string | null;
  readonly addresses: readonly string[];
  readonly mtu: number;
}

/** A route. `via` is null where the destination is on the link. */
export interface Route {
  readonly destination: string;
  readonly via: string | null;
  readonly interface: string | null;
  readonly source: string | null;
  readonly metric: number | null;
}

/** As ip(8) tells, that of busybox too, or ifconfig(8) of FreeBSD. */
export async function links(target: PosixTarget): Promise<Link[]> {
  if (!(await target.hasCommand("ip"))) return withIfconfig(target);
  const { stdout, exit } = await target.query("ip -j address", { mayFail: true });
  if (exit !== 0) return ofBusybox(target);
  const all = jsonOf(stdout || "[]", "ip") as {
    readonly ifname: string;
    readonly operstate: string;
    readonly address?: string;
    readonly mtu: number;
    readonly addr_info?: readonly { readonly local: string; readonly prefixlen: number }[];
  }[];
  return all.map(({ ifname, operstate, address, mtu, addr_info = [] }) => ({
    name: ifname,
    state: operstate.toLowerCase(),
    mac: address ?? null,
    addresses: addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    mtu,
  }));
}

async function ofBusybox(target: PosixTarget): Promise<Link[]> {
  const [{ stdout }, facts] = await Promise.all([
    target.query("ip -o address"),
    // An interface without a state of its own cannot be read.
    target.query("cd /sys/class/net && grep -H . */operstate */address */mtu", { mayFail: true }),
  ]);
  const lines = stdout.split("\n").map((line) => /^(\d+): (\S+)\s+inet6? (\S+)/.exec(line));
  const known = new Map<string, Record<string, string>>();
  for (const [, name = "", fact = "", value = ""] of facts.stdout.matchAll(/^([^/\n]+)\/(\w+):(.*)$/gm))
    known.set(name, { ...known.get(name), [fact]: value });
  return [...known].map(([name, { operstate = "unknown", address, mtu }]) => ({
    name,
    state: operstate,
    mac: address ?? null,
    addresses: lines.flatMap((line) => (line?.[2] === name ? [line[3] ?? ""] : [])),
    mtu: Number(mtu),
  }));
}

async function withIfconfig(target: PosixTarget): Promise<Link[]> {
  if (!(await target.hasCommand("ifconfig"))) throw missing("ip(8)");
  const { stdout } = await target.query("ifconfig -a");
  return stdout.split(/^(?=\S)/m).flatMap((block) => {
    const [, name, flags = "", mtu] = /^(\S+): flags=\w+<(.*?)>.* mtu (\d+)/.exec(block) ?? [];
    if (name === undefined) return [];
    const field = (pattern: RegExp) => pattern.exec(block)?.[1];
    const status = field(/^\s+status: (.*)$/m);
    const isUp = /\bUP\b/.test(flags) && (status === undefined || status === "active");
    const four = [...block.matchAll(/^\s+inet (\S+) netmask 0x([0-9a-f]{8})/gm)].map(
      ([, address, mask = ""]) => `${address}/${ones(mask)}`,
    );
    const six = [...block.matchAll(/^\s+inet6 ([^\s%]+)\S* prefixlen (\d+)/gm)].map(
      ([, address, length]) => `${address}/${length}`,
    );
    return [
      {
        name,
        state: isUp ? "up" : "down",
        mac: field(/^\s+ether (\S+)/m) ?? null,
        addresses: [...four, ...six],
        mtu: Number(mtu),
      },
    ];
  });
}

/** How many bits of a hexadecimal number are set. */
const ones = (mask: string): number =>
  [...Number.parseInt(mask, 16).toString(2)].filter((bit) => bit === "1").length;

/** As ip(8) tells, that of busybox too, or netstat(1) of FreeBSD. */
export async function routesOf(target: PosixTarget): Promise<Route[]> {
  if (!(await target.hasCommand("ip"))) return withNetstat(target);
  const both = await Promise.all(
    ["-4", "-6"].map(async (family) => {
      const { stdout, exit } = await target.query(`ip -j ${family} route`, { mayFail: true });
      if (exit !== 0) return (await target.query(`ip ${family} route`)).stdout.split("\n").flatMap(routeIn);
      const all = jsonOf(stdout || "[]", "ip") as {
        readonly dst: string;
        readonly gateway?: string;
        readonly dev?: string;
        readonly prefsrc?: string;
        readonly metric?: number;
      }[];
      return all.map(({ dst, gateway, dev, prefsrc, metric }) => ({
        destination: dst,
        via: gateway ?? null,
        interface: dev ?? null,
        source: prefsrc ?? null,
        metric: metric ?? null,
      }));
    }),
  );
  return both.flat();
}

/** Such as `default via 192.0.2.1 dev eth0  metric 100`. */
function routeIn(line: string): Route[] {
  const [destination, ...words] = line.trim().split(/\s+/);
  if (!destination) return [];
  const after = (word: string) => (words.includes(word) ? (words[words.indexOf(word) + 1] ?? null) : null);
  const metric = after("metric");
  return [
    {
      destination,
      via: after("via"),
      interface: after("dev"),
      source: after("src"),
      metric: metric === null ? null : Number(metric),
    },
  ];
}

async function withNetstat(target: PosixTarget): Promise<Route[]> {
  if (!(await target.hasCommand("netstat"))) throw missing("ip(8)");
  const { stdout } = await target.query("netstat -rnW");
  const columns: Record<string, number> = {};
  return stdout.split("\n").flatMap((line) => {
    const words = line.trim().split(/\s+/);
    if (words[0] === "Destination") {
      for (const [index, word] of words.entries()) columns[word] = index;
      return [];
    }
    const [gateway = "", netif] = [words[columns["Gateway"] ?? -1], words[columns["Netif"] ?? -1]];
    if (netif === undefined || !words[0]) return [];
    return [
      {
        destination: words[0],
        via: /^link#/.test(gateway) ? null : gateway,
        interface: netif,
        source: null,
        metric: null,
      },
    ];
  });
}

const missing = (program: string) => new FailedChange(`the host has no ${program}; install iproute2 there`);
