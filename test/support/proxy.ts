/** A TCP link that is slow, counted, and can be broken at will, for this computer has no netem. */
import net from "node:net";

export interface DelayProxyOptions {
  readonly to: { readonly host: string; readonly port: number };
  /** Milliseconds that a byte and its answer take longer than without the proxy: half of it each way. */
  readonly roundTripMs?: number;
}

/** What becomes of new connections while the link is cut: `refuse` resets them, `blackhole` never answers. */
export type CutMode = "refuse" | "blackhole";

export interface DelayProxy extends AsyncDisposable {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** Bytes that arrived at the proxy: `up` from those who connect to it, `down` from the other end. */
  readonly bytes: { readonly up: number; readonly down: number };
  /** How many connections were made. */
  readonly connections: number;
  /** Sets `bytes` and `connections` to 0. */
  reset(): void;
  /** Changes the delay, for bytes that come from now on. */
  setRoundTrip(milliseconds: number): void;
  /**
   * Breaks every connection with a reset, and treats new ones as `mode` says until `restore`. Without a mode new
   * connections go on being accepted.
   */
  cut(mode?: CutMode): void;
  /** Carries nothing any more, in either direction, and breaks no connection: as when a cable is pulled. */
  freeze(): void;
  /** Undoes `cut` and `freeze`; what was held back is delivered, connections that were broken stay so. */
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
  readonly #to: DelayProxyOptions["to"];
  readonly #server = net.createServer({ noDelay: true, allowHalfOpen: true }, (near) => this.#accept(near));
  readonly #sockets = new Set<net.Socket>();
  readonly #lines = new Set<DelayLine>();
  #oneWay: number;
  #mode: CutMode | undefined;
  #frozen = false;

  constructor({ to, roundTripMs = 0 }: DelayProxyOptions) {
    this.#to = to;
    this.#oneWay = roundTripMs / 2;
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
  }

  setRoundTrip(milliseconds: number): void {
    this.#oneWay = milliseconds / 2;
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

  /** A broken connection is what the proxy is for: it ends the other half too, and is no error here. */
  #carry(from: net.Socket, to: net.Socket, direction: "up" | "down"): void {
    const line = new DelayLine(to, () => this.#oneWay);
    this.#lines.add(line);
    if (this.#frozen) line.freeze();
    from.on("data", (data) => {
      this.bytes[direction] += data.length;
      line.send(data);
    });
    from.on("end", () => line.send(null));
    from.on("close", (hadError) => {
      if (hadError) to.resetAndDestroy();
      else if (!from.readableEnded) line.breakOff();
    });
    to.on("close", () => this.#lines.delete(line));
  }

  #keep(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

/** Delivers what it was given, in order, each piece a fixed time after it came. `null` is the end. */
class DelayLine {
  readonly #to: net.Socket;
  readonly #delay: () => number;
  #pieces: { readonly data: Buffer | null; readonly due: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #frozen = false;

  constructor(to: net.Socket, delay: () => number) {
    this.#to = to;
    this.#delay = delay;
  }

  send(data: Buffer | null): void {
    const last = this.#pieces.at(-1)?.due ?? 0;
    this.#pieces.push({ data, due: Math.max(last, performance.now() + this.#delay()) });
    this.#deliver();
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    this.#deliver();
  }

  breakOff(): void {
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
    // Timers have whole milliseconds and may come early by part of one.
    if (next !== undefined) this.#timer = setTimeout(() => this.#deliver(), Math.ceil(next.due - now));
  }
}
