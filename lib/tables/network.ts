import { FailedChange } from "../model/errors";
import { object } from "../model/schema";
import { deftable } from "../model/table";
import type { PosixTarget } from "../model/target";
import { jsonOf } from "./_json";

/**
 * The ports on which something listens, by number. The program is known to root only, unless it is the user's own.
 */
export const ports = deftable({
  name: "tables.ports",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (await sockets(target, "-l -n -t -u -p"))
      .map(({ protocol, local, program, pid }) => ({ ...local, protocol, program, pid }))
      .sort((one, other) => one.port - other.port),
});

/** The established connections. `peer` and `peerPort`: the other end. */
export const connections = deftable({
  name: "tables.connections",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (await sockets(target, "-n -t -u -p state established")).map(
      ({ protocol, local, peer, program, pid }) => ({
        ...local,
        peer: peer.address,
        peerPort: peer.port,
        protocol,
        program,
        pid,
      }),
    ),
});

/** The network interfaces, with their addresses and the lengths of their prefixes. */
export const interfaces = deftable({
  name: "tables.interfaces",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (await ip<Interface>(target, "address")).map(({ ifname, operstate, address, mtu, addr_info = [] }) => ({
      name: ifname,
      state: operstate.toLowerCase(),
      mac: address ?? null,
      addresses: addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
      mtu,
    })),
});

/** The routes of both families. `via` is null where the destination is on the link. */
export const routes = deftable({
  name: "tables.routes",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) => {
    const both = await Promise.all([ip<Route>(target, "-4 route"), ip<Route>(target, "-6 route")]);
    return both.flat().map(({ dst, gateway, dev, prefsrc, metric }) => ({
      destination: dst,
      via: gateway ?? null,
      interface: dev ?? null,
      source: prefsrc ?? null,
      metric: metric ?? null,
    }));
  },
});

/** What ip(8) prints of an interface, and of a route. */
interface Interface {
  readonly ifname: string;
  readonly operstate: string;
  readonly address?: string;
  readonly mtu: number;
  readonly addr_info?: readonly { readonly local: string; readonly prefixlen: number }[];
}
interface Route {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly prefsrc?: string;
  readonly metric?: number;
}

async function ip<T>(target: PosixTarget, about: string): Promise<readonly T[]> {
  if (!(await target.hasCommand("ip"))) throw missing("ip");
  const { stdout } = await target.query(`ip -j ${about}`);
  return jsonOf(stdout || "[]", "ip") as T[];
}

async function sockets(target: PosixTarget, options: string) {
  if (!(await target.hasCommand("ss"))) throw missing("ss");
  const { stdout } = await target.query(`ss -H ${options}`);
  return stdout.split("\n").flatMap((line) => {
    const words = line.trim().split(/\s+/);
    // The state is left out where it was asked for.
    const at = words.findIndex((word, index) => index > 0 && /^\d+$/.test(word));
    const [local, peer] = [placeOf(words[at + 2]), placeOf(words[at + 3])];
    if (at < 0 || !local || !peer) return [];
    const [, program = null, pid] = /\("([^"]*)",pid=(\d+)/.exec(words.slice(at + 4).join(" ")) ?? [];
    return [{ protocol: words[0] ?? "", local, peer, program, pid: pid === undefined ? null : Number(pid) }];
  });
}

function placeOf(text = ""): { port: number; address: string } | undefined {
  const [, address, port = ""] = /^\[?(.*?)\]?:(\d+|\*)$/.exec(text) ?? [];
  return address === undefined ? undefined : { port: port === "*" ? 0 : Number(port), address };
}

const missing = (program: string) =>
  new FailedChange(`the host has no ${program}(8); install iproute2 there`);
