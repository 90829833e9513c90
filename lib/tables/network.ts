import { object } from "../model/schema";
import { deftable } from "../model/table";
import { links, routesOf } from "./_links";
import { sockets } from "./_sockets";

/**
 * The ports on which something listens, by number. The program is known to root only, unless it is the user's own.
 */
export const ports = deftable({
  name: "tables.ports",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (await sockets(target, "listening"))
      .map(({ protocol, local: { port, address }, program, pid }) => ({
        port,
        address,
        protocol,
        program,
        pid,
      }))
      .sort((one, other) => one.port - other.port),
});

/** The established connections. `peer` and `peerPort`: the other end. */
export const connections = deftable({
  name: "tables.connections",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (await sockets(target, "connected")).map(({ protocol, local, peer, program, pid }) => ({
      port: local.port,
      address: local.address,
      peer: peer.address,
      peerPort: peer.port,
      protocol,
      program,
      pid,
    })),
});

/** The network interfaces, with their addresses and the lengths of their prefixes. */
export const interfaces = deftable({
  name: "tables.interfaces",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (await links(target)).map(({ name, state, mac, addresses, mtu }) => ({
      name,
      state,
      mac,
      addresses,
      mtu,
    })),
});

/** The routes of both families. `via` is null where the destination is on the link. */
export const routes = deftable({
  name: "tables.routes",
  args: object({}),
  call: () => ({}),
  rows: async (_args, target) =>
    (await routesOf(target)).map(({ destination, via, interface: device, source, metric }) => ({
      destination,
      via,
      interface: device,
      source,
      metric,
    })),
});
