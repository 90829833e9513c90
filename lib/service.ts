/** For services of your own: `import { serve } from "consfigurator/service"`. Needs nothing but Node. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import net from "node:net";

export interface DrainOptions {
  /** Seconds after SIGTERM within which connections are finished; what is then still open is cut off. Default: 10. */
  readonly patience?: number;
  /** Seconds that a kept connection may be idle before it is closed, at any time; clients are told. Default: 2. */
  readonly idle?: number;
}

/** How long a request is held back while draining, at first: those sent behind it on the same connection are then seen. */
const HOLD_MS = 25;
/** The time after which that is halved, again and again. */
const HALVED_AFTER_MS = 400;
/** How long a client may take to close a connection whose last answer was announced; what it sends meanwhile is answered. */
const LINGER_MS = 300;

/**
 * `server` listens on the socket that systemd passes (`listen` of `daemon.running`), or at `address` when it is started
 * otherwise. When the process gets SIGTERM, it finishes every request and exits with 0, without losing one: see `drain`.
 *
 * @example serve(http.createServer((request, response) => response.end("hello\n")), { port: 8080, host: "127.0.0.1" })
 */
export function serve(server: Server, address: net.ListenOptions, options: DrainOptions = {}): void {
  const end = drain(server, options);
  process.once("SIGTERM", () => void end().then(() => process.exit(0)));
  server.listen(process.env["LISTEN_FDS"] ? { fd: 3 } : address);
}

/**
 * Prepares `server` for an end that loses no request; call it before the server listens. The function returned begins that
 * end, and resolves when the last connection is closed. Until then requests are answered, on new connections too, as long
 * as others are kept; the last answer on each connection says `Connection: close`, so that a client sends nothing more
 * on it. Requests that a client has sent behind one another (pipelining) are all answered, also when they come a little late. A connection without a
 * request is closed when it has been idle for longer than clients were told they may keep it.
 */
export function drain(server: Server, { patience = 10, idle = 2 }: DrainOptions = {}): () => Promise<void> {
  const draining = new Draining(server, patience * 1000, idle * 1000);
  return () => draining.begin();
}

/** What is known of one connection. */
interface Kept {
  /** Requests that are not answered yet. */
  open: number;
  last: IncomingMessage | undefined;
  /** When a request was held back first. */
  heldSince: number | undefined;
  /** When the last request was seen. */
  lastAt: number;
  /** The last answer has been announced. */
  closing: boolean;
}

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

class Draining {
  readonly #server: Server;
  readonly #patience: number;
  readonly #idle: number;
  readonly #connections = new Map<net.Socket, Kept>();
  readonly #emit: Emit;
  #begunAt: number | undefined;
  #ended: Promise<void> | undefined;
  #resolve: (() => void) | undefined;

  constructor(server: Server, patience: number, idle: number) {
    this.#server = server;
    this.#patience = patience;
    this.#idle = idle;
    server.keepAliveTimeout = idle;
    const opened = "setSecureContext" in server ? "secureConnection" : "connection";
    server.on(opened, (socket: net.Socket) => this.#opened(socket));
    this.#emit = server.emit.bind(server) as Emit;
    server.emit = ((event: string | symbol, ...args: unknown[]) =>
      event === "request" || event === "checkContinue"
        ? this.#requested(event, args as [IncomingMessage, ServerResponse])
        : this.#emit(event, ...args)) as Server["emit"];
  }

  begin(): Promise<void> {
    this.#ended ??= new Promise((resolve) => {
      this.#resolve = resolve;
      this.#begunAt = performance.now();
      // Timeouts of the server itself would close connections between two requests.
      this.#server.keepAliveTimeout = 0;
      const checking = setInterval(() => this.#check(checking), 10);
    });
    return this.#ended;
  }

  #opened(socket: net.Socket): void {
    this.#connections.set(socket, {
      open: 0,
      last: undefined,
      heldSince: undefined,
      lastAt: performance.now(),
      closing: false,
    });
    socket.once("close", () => this.#connections.delete(socket));
  }

  #requested(event: string, [request, response]: [IncomingMessage, ServerResponse]): boolean {
    const kept = this.#connections.get(request.socket);
    if (!kept) return this.#emit(event, request, response);
    kept.open += 1;
    kept.last = request;
    kept.lastAt = performance.now();
    response.once("close", () => {
      kept.open -= 1;
      kept.lastAt = performance.now();
    });
    if (this.#begunAt === undefined) return this.#emit(event, request, response);
    // What has come meanwhile is read before it is answered, however late the timer is.
    const answer = () => setImmediate(() => this.#answer(event, request, response, kept));
    setTimeout(answer, this.#hold(kept));
    return true;
  }

  /** A client that never pauses is answered without a delay in the end, since only then there is a gap. */
  #hold(kept: Kept): number {
    kept.heldSince ??= performance.now();
    const since = performance.now() - kept.heldSince;
    return Math.floor(HOLD_MS / 2 ** Math.floor(since / HALVED_AFTER_MS));
  }

  #answer(event: string, request: IncomingMessage, response: ServerResponse, kept: Kept): void {
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
    // Decided when the answer begins: by then more requests may have come.
    response.writeHead = ((...args: unknown[]) => {
      if (kept.last !== request) return writeHead(...args);
      const { shouldKeepAlive } = response;
      kept.closing = true;
      response.setHeader("connection", "close");
      writeHead(...args);
      // Node would close the connection behind this answer, and lose a request that is under way: `#check` does, a little later.
      if (shouldKeepAlive) Object.assign(response, { _last: false });
      return response;
    }) as ServerResponse["writeHead"];
    this.#emit(event, request, response);
  }

  #check(checking: NodeJS.Timeout): void {
    const since = performance.now() - (this.#begunAt ?? 0);
    for (const [socket, kept] of this.#connections) {
      const idleFor = kept.open === 0 ? performance.now() - kept.lastAt : 0;
      if (kept.closing && idleFor > LINGER_MS) socket.destroySoon();
      if (idleFor > this.#idle + 100 || since > this.#patience) socket.destroy();
    }
    const stillKept = [...this.#connections.values()].filter(({ closing }) => !closing).length;
    // New connections wait at the socket from here on.
    if (this.#server.listening && (stillKept === 0 || since > this.#idle + 500))
      net.Server.prototype.close.call(this.#server);
    if (this.#connections.size > 0) return;
    if (this.#server.listening) net.Server.prototype.close.call(this.#server);
    clearInterval(checking);
    this.#resolve?.();
  }
}
