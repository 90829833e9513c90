import { FailedChange } from "../model/errors";
import type { PosixTarget } from "../model/target";

/** A socket of TCP or UDP. The program is null where this user may not know it. */
export interface Socket {
  readonly protocol: string;
  readonly local: Place;
  readonly peer: Place;
  readonly program: string | null;
  readonly pid: number | null;
}

interface Place {
  readonly address: string;
  /** 0: any. */
  readonly port: number;
}

/** Those on which something listens, or that are connected: as ss(8) tells, the kernel of Linux, or sockstat(1) of FreeBSD. */
export async function sockets(target: PosixTarget, which: "listening" | "connected"): Promise<Socket[]> {
  if (await target.hasCommand("ss")) return withSs(target, which);
  if (await target.stat("/proc/net/tcp")) return ofKernel(target, which);
  if (await target.hasCommand("sockstat")) return withSockstat(target, which);
  throw new FailedChange("the host has neither ss(8), /proc/net nor sockstat(1), so its ports are not known");
}

async function withSs(target: PosixTarget, which: "listening" | "connected"): Promise<Socket[]> {
  const state = which === "listening" ? "-l -n -t -u -p" : "-n -t -u -p state established";
  const { stdout } = await target.query(`ss -H ${state}`);
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

function placeOf(text = ""): Place | undefined {
  const [, address, port = ""] = /^\[?(.*?)\]?:(\d+|\*)$/.exec(text) ?? [];
  return address === undefined ? undefined : { port: port === "*" ? 0 : Number(port), address };
}

/** proc(5): the states of TCP are those of the kernel, and a socket of UDP without a peer has the one of closed ones. */
const STATES = { listening: { tcp: "0A", udp: "07" }, connected: { tcp: "01", udp: "01" } } as const;

async function ofKernel(target: PosixTarget, which: "listening" | "connected"): Promise<Socket[]> {
  const files = ["tcp", "tcp6", "udp", "udp6"];
  const [owners, ...tables] = await Promise.all([
    ownersOfSockets(target),
    ...files.map((name) => target.readLines(`/proc/net/${name}`).catch(() => [])),
  ]);
  return tables.flatMap((lines, index) => {
    const protocol = index < 2 ? "tcp" : "udp";
    return lines.flatMap((line) => {
      const [, local = "", peer = "", state, , , , , , inode = ""] = line.trim().split(/\s+/);
      const [here, there] = [kernelPlace(local), kernelPlace(peer)];
      if (state !== STATES[which][protocol] || !here || !there) return [];
      const owner = owners.get(inode);
      return [
        { protocol, local: here, peer: there, program: owner?.program ?? null, pid: owner?.pid ?? null },
      ];
    });
  });
}

/** By the number of a socket, who has it open. */
async function ownersOfSockets(target: PosixTarget) {
  // It fails where a process has ended meanwhile, or is that of another user.
  const { stdout } = await target.query(
    "ls -l /proc/[0-9]*/fd 2>/dev/null | sed -n 's/^\\/proc\\/\\([0-9]*\\)\\/fd:$/\\1/p; s/.* socket:\\[\\([0-9]*\\)\\]$/s\\1/p'; grep -H . /proc/[0-9]*/comm 2>/dev/null",
    { mayFail: true },
  );
  const names = new Map(
    [...stdout.matchAll(/^\/proc\/(\d+)\/comm:(.*)$/gm)].map(([, pid, name = ""]) => [Number(pid), name]),
  );
  const owners = new Map<string, { pid: number; program: string | null }>();
  let pid = 0;
  for (const line of stdout.split("\n")) {
    if (/^\d+$/.test(line)) pid = Number(line);
    else if (/^s\d+$/.test(line) && !owners.has(line.slice(1)))
      owners.set(line.slice(1), { pid, program: names.get(pid) ?? null });
  }
  return owners;
}

/** Such as `0100007F:0016`: words of 32 bits, each with its last byte first, and the port. */
function kernelPlace(text: string): Place | undefined {
  const [, hex = "", port = ""] = /^((?:[0-9A-F]{8}){1,4}):([0-9A-F]{4})$/.exec(text) ?? [];
  const bytes = [...hex.matchAll(/(..)(..)(..)(..)/g)].flatMap(([, ...word]) =>
    word.reverse().map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length !== 4 && bytes.length !== 16) return undefined;
  return { address: addressOf(bytes), port: Number.parseInt(port, 16) };
}

function addressOf(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255)
    return `::ffff:${bytes.slice(12).join(".")}`;
  const groups = bytes.flatMap((byte, at) => (at % 2 === 0 ? [byte * 256 + (bytes[at + 1] ?? 0)] : []));
  const text = groups.map((group) => group.toString(16)).join(":");
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

async function withSockstat(target: PosixTarget, which: "listening" | "connected"): Promise<Socket[]> {
  const { stdout } = await target.query(`sockstat -4 -6 -q -w ${which === "listening" ? "-l" : "-c"}`);
  return stdout.split("\n").flatMap((line) => {
    const [, program, pid, protocol = "", family, ...places] = SOCKSTAT.exec(line) ?? [];
    const [local, peer] = places.map((text) => bsdPlace(text, family === "4" ? "0.0.0.0" : "::"));
    if (!local || !peer) return [];
    const number = Number(pid);
    return [
      {
        protocol,
        local,
        peer,
        program: program === undefined || program === "?" ? null : program,
        pid: number > 0 ? number : null,
      },
    ];
  });
}

/** User, command, process, descriptor, protocol, and both ends. */
const SOCKSTAT = /^\S+\s+(\S.*?)\s+(\d+|\?)\s+(?:\d+|\?)\s+(tcp|udp)(4|6|46)\s+(\S+)\s+(\S+)/;

/** Such as `*:22`, `::1:25` and `fe80::1%lo0:123`. `any`: what `*` stands for. */
function bsdPlace(text: string, any: string): Place | undefined {
  const [, address, port = ""] = /^(.*):(\d+|\*)$/.exec(text) ?? [];
  if (address === undefined) return undefined;
  return { address: address === "*" ? any : address, port: port === "*" ? 0 : Number(port) };
}
