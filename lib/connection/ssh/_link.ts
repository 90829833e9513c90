import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";

/** How often the link is looked at. */
const INTERVAL_MS = 500;

/**
 * Resolves to true when the host has closed the connection of the `ssh` process `pid` on this machine, to false once `signal`
 * is aborted. ssh does not notice it while it waits for an answer. What the kernel knows of the connection is in /proc:
 * elsewhere than on Linux it cannot be seen.
 */
export async function closedByHost(pid: number, signal: AbortSignal): Promise<boolean> {
  const link = new Link(pid);
  while (!signal.aborted) {
    if (await link.isClosed().catch(() => false)) return true;
    await setTimeout(INTERVAL_MS, undefined, { signal }).catch(() => {});
  }
  return false;
}

class Link {
  readonly #place: string;
  #wasOpen = false;

  constructor(pid: number) {
    this.#place = `/proc/${pid}`;
  }

  async isClosed(): Promise<boolean> {
    const own = await this.#sockets();
    const states = (await this.#connections()).filter(({ socket }) => own.has(socket));
    const isOpen = states.some(({ state }) => state === ESTABLISHED);
    this.#wasOpen ||= isOpen;
    if (isOpen) return false;
    return this.#wasOpen || states.some(({ state }) => state === CLOSED_BY_PEER) || this.#hasLostProxy();
  }

  async #sockets(): Promise<Set<string>> {
    const names = await readdir(`${this.#place}/fd`);
    const links = await Promise.all(
      names.map((name) => readlink(`${this.#place}/fd/${name}`).catch(() => "")),
    );
    return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  }

  async #connections(): Promise<{ socket: string; state: string }[]> {
    const tables = await Promise.all(
      ["tcp", "tcp6"].map((name) => readFile(`${this.#place}/net/${name}`, "utf8").catch(() => "")),
    );
    return tables.flatMap((table) =>
      table.split("\n").flatMap((line) => {
        const { 3: state, 9: socket } = line.trim().split(/\s+/);
        return state !== undefined && socket !== undefined ? [{ state, socket }] : [];
      }),
    );
  }

  /** Whether the program of ProxyCommand or ProxyJump has ended: ssh has not been told yet. */
  async #hasLostProxy(): Promise<boolean> {
    const pid = this.#place.slice("/proc/".length);
    const children = await readFile(`${this.#place}/task/${pid}/children`, "utf8");
    const states = await Promise.all(
      children
        .split(" ")
        .filter(Boolean)
        .map((child) => readFile(`/proc/${child}/stat`, "utf8").catch(() => "")),
    );
    return states.some((stat) => /^\) Z /.test(stat.slice(stat.lastIndexOf(")"))));
  }
}

/** States of a TCP connection in /proc/net/tcp. */
const ESTABLISHED = "01";
const CLOSED_BY_PEER = "08";
