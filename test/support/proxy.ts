/** A TCP proxy that delays, slows, counts and cuts connections. Used instead of netem, which some kernels lack. */
import net from "node:net";

export interface DelayProxyOptions {
  readonly to: { readonly host: string; readonly port: number };
  /** Milliseconds added to a round trip: half in each direction. */
  readonly roundTripMs?: number;
  /** Bits that pass in a second, in each direction, over all connections together. Default: any number. */
  readonly bitsPerSecond?: number;
}

/** Handling of new connections while the link is cut: `refuse` resets them, `blackhole` never answers. */
export type CutMode = "refuse" | "blackhole";

export interface DelayProxy extends AsyncDisposable {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** Bytes received by the proxy: `up` from clients, `down` from the server. */
  readonly bytes: { readonly up: number; readonly down: number };
  /** Number of connections made. */
  readonly connections: number;
  /** Round trips that were waited for: how often data came from the server after data from a client. */
  readonly trips: number;
  /** Sets `bytes`, `connections` and `trips` to 0. */
  reset(): void;
  /** Changes the delay of later bytes. */
  setRoundTrip(milliseconds: number): void;
  /** Changes how many bits pass in a second. */
  setBandwidth(bitsPerSecond: number | undefined): void;
  /**
   * Resets every connection, and handles new ones according to `mode` until `restore`. Without a mode new connections are
   * accepted as before.
   */
  cut(mode?: CutMode): void;
  /** Holds back all data in both directions without closing connections, like an unplugged cable. */
  freeze(): void;
  /** Undoes `cut` and `freeze`: delivers the data held back; connections that were reset stay closed. */
  restore(): void;
  close(): Promise<void>;
}

/** A proxy on a free port of 127.0.0.1. */
export async function delayProxy(options: DelayProxyOptions): Promise<DelayProxy> {
  const proxy = new TcpDelayProxy(options);
  await proxy.listen();
  return proxy;
}

class TcpDelayProxy implements DelayProxy {
  readonly host = "127.0.0.1";
  readonly bytes = { up: 0, down: 0 };
  connections = 0;
  trips = 0;
  #waits = false;
  readonly #to: DelayProxyOptions["to"];
  readonly #server = net.createServer({ noDelay: true, allowHalfOpen: true }, (near) => this.#accept(near));
  readonly #sockets = new Set<net.Socket>();
  readonly #lines = new Set<DelayLine>();
  readonly #up = new Bandwidth();
  readonly #down = new Bandwidth();
  #oneWay: number;
  #mode: CutMode | undefined;
  #frozen = false;

  constructor({ to, roundTripMs = 0, bitsPerSecond }: DelayProxyOptions) {
    this.#to = to;
    this.#oneWay = roundTripMs / 2;
    this.setBandwidth(bitsPerSecond);
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy is closed");
    return address.port;
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, this.host, resolve);
    });
  }

  reset(): void {
    this.bytes.up = 0;
    this.bytes.down = 0;
    this.connections = 0;
    this.trips = 0;
    this.#waits = false;
  }

  setRoundTrip(milliseconds: number): void {
    this.#oneWay = milliseconds / 2;
  }

  setBandwidth(bitsPerSecond: number | undefined): void {
    for (const each of [this.#up, this.#down]) each.bitsPerSecond = bitsPerSecond;
  }

  cut(mode?: CutMode): void {
    this.#mode = mode;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  freeze(): void {
    this.#frozen = true;
    for (const line of this.#lines) line.freeze();
  }

  restore(): void {
    this.#mode = undefined;
    this.#frozen = false;
    for (const line of this.#lines) line.thaw();
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(near: net.Socket): void {
    this.#keep(near);
    this.connections += 1;
    if (this.#mode === "refuse") near.resetAndDestroy();
    if (this.#mode !== undefined) return;
    const far = net.connect({ ...this.#to, noDelay: true, allowHalfOpen: true });
    this.#keep(far);
    this.#carry(near, far, "up");
    this.#carry(far, near, "down");
  }

  /** Connection errors are expected here: each also closes the other half. */
  #carry(from: net.Socket, to: net.Socket, direction: "up" | "down"): void {
    const bandwidth = direction === "up" ? this.#up : this.#down;
    const line = new DelayLine(to, () => this.#oneWay, bandwidth);
    this.#lines.add(line);
    if (this.#frozen) line.freeze();
    from.on("data", (data) => {
      this.bytes[direction] += data.length;
      if (direction === "down" && this.#waits) this.trips += 1;
      this.#waits = direction === "up";
      line.send(data);
      const ms = bandwidth.fullFor();
      if (ms > 0) {
        from.pause();
        setTimeout(() => from.resume(), ms);
      }
    });
    from.on("end", () => line.send(null));
    from.on("close", (hadError) => {
      if (hadError) to.resetAndDestroy();
      else if (!from.readableEnded) line.discard();
    });
    to.on("close", () => this.#lines.delete(line));
  }

  #keep(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

/** What waits in front of a slow link for longer than this is not accepted yet. */
const QUEUE_MS = 60;
/** The largest piece that passes as one, in bytes. */
const PACKET = 4096;

/** One direction of a link: what passes takes its time, one piece after the other. */
class Bandwidth {
  bitsPerSecond: number | undefined;
  #freeAt = 0;

  /** When the last of so many bytes has passed, as `performance.now()`. */
  passed(bytes: number): number {
    const now = performance.now();
    if (this.bitsPerSecond === undefined) return now;
    this.#freeAt = Math.max(now, this.#freeAt) + (bytes * 8000) / this.bitsPerSecond;
    return this.#freeAt;
  }

  /** Milliseconds until more is accepted. */
  fullFor(): number {
    return this.#freeAt - performance.now() - QUEUE_MS;
  }
}

/** Delivers its data in order, each piece after a fixed delay. `null` is the end. */
class DelayLine {
  readonly #to: net.Socket;
  readonly #delay: () => number;
  readonly #bandwidth: Bandwidth;
  #pieces: { readonly data: Buffer | null; readonly due: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #frozen = false;

  constructor(to: net.Socket, delay: () => number, bandwidth: Bandwidth) {
    this.#to = to;
    this.#delay = delay;
    this.#bandwidth = bandwidth;
  }

  send(data: Buffer | null): void {
    const isSlow = this.#bandwidth.bitsPerSecond !== undefined;
    const size = data && isSlow ? PACKET : Number.POSITIVE_INFINITY;
    for (let rest = data; ; ) {
      const piece = rest && rest.length > size ? rest.subarray(0, size) : rest;
      const last = this.#pieces.at(-1)?.due ?? 0;
      const due = this.#bandwidth.passed(piece?.length ?? 0) + this.#delay();
      this.#pieces.push({ data: piece, due: Math.max(last, due) });
      if (piece === rest) break;
      rest = rest?.subarray(size) ?? null;
    }
    this.#deliver();
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    this.#deliver();
  }

  discard(): void {
    clearTimeout(this.#timer);
    this.#pieces = [];
    this.#to.destroy();
  }

  #deliver(): void {
    clearTimeout(this.#timer);
    if (this.#frozen || this.#to.destroyed) return;
    const now = performance.now();
    let next = this.#pieces[0];
    while (next !== undefined && next.due <= now) {
      this.#pieces.shift();
      if (next.data === null) this.#to.end();
      else this.#to.write(next.data);
      next = this.#pieces[0];
    }
    // Timers have millisecond resolution and may fire slightly early.
    if (next !== undefined) this.#timer = setTimeout(() => this.#deliver(), Math.ceil(next.due - now));
  }
}
