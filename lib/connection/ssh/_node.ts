import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Cancelled, ConnectionFailed } from "../../errors";
import type { Progress } from "../../events";
import type { Channel, Connection } from "../connection";
import type { Asker } from "../hop";
import { Authentication } from "./_auth";
import { channelOf, type Link } from "./_channel";
import type { SshConfig } from "./_config";
import { Deadline } from "./_deadline";
import { HostKeyCheck } from "./_hostkey";
import { type Client, negotiable, sshLibrary } from "./_library";
import { loginCommand } from "./_login";
import { Marks } from "./_marks";
import { Sessions } from "./_sessions";
import { explained, tcpSocket, unanswered } from "./_socket";
import { SpareSession, startCommand } from "./_spare";
import type { Way } from "./_ways";

/** How connections are made and kept. */
export interface Terms {
  /** As written in a consfig, for messages. */
  readonly hop: string;
  readonly connectTimeoutSeconds: number;
  readonly keepaliveSeconds: number;
  readonly ask: Asker | undefined;
  readonly signal: AbortSignal;
  progress(event: Progress): void;
}

/** How many keepalive intervals may pass without a sign of life. */
export const MISSES = 3;

/** Connects through node-ssh: the first of `ways` directly, each further one through the one before it. */
export async function connectByNode(ways: readonly Way[], terms: Terms): Promise<Connection> {
  let connection: NodeConnection | undefined;
  for (const way of ways) {
    try {
      connection = await open(way, terms, connection);
    } catch (error) {
      await connection?.close();
      throw error;
    }
  }
  if (!connection) throw new ConnectionFailed(terms.hop, "there is nowhere to connect to");
  connection.prepare();
  return connection;
}

async function open(way: Way, terms: Terms, through: NodeConnection | undefined): Promise<NodeConnection> {
  const { config, known, keys } = way;
  const place = `${config.address} port ${config.port}`;
  const deadline = new Deadline(terms.connectTimeoutSeconds, terms.signal);
  const ask = deadline.pausing(terms.ask);
  const check = new HostKeyCheck(config, known, ask, terms.progress);
  let socket: Socket | Duplex | undefined;
  const giveUp = () => void socket?.destroy();
  const authentication = new Authentication(config, keys, ask, giveUp);
  try {
    socket = through
      ? await through.forward(config, deadline.signal)
      : await tcpSocket(config, deadline.signal);
    deadline.signal.addEventListener("abort", giveUp);
    deadline.signal.throwIfAborted();
    const node = new (sshLibrary().NodeSSH)();
    const connecting = node.connect({
      sock: socket as Socket,
      username: config.user,
      readyTimeout: 0,
      // ssh2 only sends these; that nothing comes back is noticed by `NodeConnection`, which counts any traffic.
      keepaliveInterval: terms.keepaliveSeconds * 1000,
      keepaliveCountMax: Number.MAX_SAFE_INTEGER,
      algorithms: {
        kex: allowed(negotiable.kex, config.list("kexalgorithms")),
        cipher: allowed(negotiable.cipher, config.list("ciphers")),
        hmac: allowed(negotiable.hmac, config.list("macs")),
        serverHostKey: known.algorithms(config.list("hostkeyalgorithms")) as never,
      },
      hostVerifier: (key: Buffer, verify: (accepted: boolean) => void) =>
        void check
          .accepts(key)
          .catch(() => false)
          .then(verify),
      authHandler: authentication.handler,
    });
    const client = node.connection;
    if (!client) return await connecting.then(() => Promise.reject(new Error("node-ssh has no connection")));
    const connection = new NodeConnection(client, socket, config, terms, through);
    client.once("handshake", () => void check.record());
    await connecting;
    authentication.succeeded();
    connection.begin();
    return connection;
  } catch (error) {
    socket?.destroy();
    if (terms.signal.aborted) throw cancellation(terms);
    if (check.refusal !== undefined) throw new ConnectionFailed(terms.hop, check.refusal);
    if (deadline.passed) {
      throw new ConnectionFailed(terms.hop, `${unanswered(place)} (gave up after ${deadline.seconds} s)`);
    }
    if (authentication.exhausted || isAboutLogin(error)) {
      throw new ConnectionFailed(terms.hop, notLetIn(config, authentication, error), { cause: error });
    }
    throw new ConnectionFailed(terms.hop, reasonOf(error, config), { cause: error });
  } finally {
    deadline.end();
    deadline.signal.removeEventListener("abort", giveUp);
  }
}

/** What of `ours` the user allows; nothing said allows all. */
const allowed = <T extends string>(ours: readonly T[], configured: readonly string[]): T[] =>
  ours.filter((name) => configured.length === 0 || configured.includes(name));

export function cancellation({ signal, hop }: Terms): Error {
  return signal.reason instanceof Cancelled
    ? signal.reason
    : new Cancelled(`${hop}: cancelled while connecting`);
}

const isAboutLogin = (error: unknown): boolean => /authentication/i.test((error as Error).message);

function notLetIn(config: SshConfig, authentication: Authentication, error: unknown): string {
  const { user, address, port, destination } = config;
  const tooMany = /too many/i.test((error as Error).message);
  return [
    `${address} port ${port} did not let ${user} in: ${authentication.report()}`,
    tooMany
      ? "the host gave up after too many keys: name the right one with `identity`, or IdentityFile and IdentitiesOnly in ~/.ssh/config"
      : `${destination.user === undefined ? "check the user, which was not given, and" : "check"} that one of these keys is in ~${user}/.ssh/authorized_keys on the host`,
  ].join("; ");
}

function reasonOf(error: unknown, config: SshConfig): string {
  const { message, cause } = error as Error;
  if (cause !== undefined) return message;
  const place = `${config.address} port ${config.port}`;
  if (/Handshake failed: no matching/.test(message))
    return `${place} and ssh2 have no algorithm in common (${message}); try via.ssh({ transport: "openssh" })`;
  if (/No response from server|before handshake|ECONNRESET/.test(message))
    return `${place} broke off the connection before anybody was let in; see the log of its sshd`;
  return explained(error as Error, config);
}

class NodeConnection implements Connection {
  readonly closed: Promise<Error | undefined>;
  #lost: Error | undefined;
  #ended = false;
  #closing = false;
  #settle: (reason: Error | undefined) => void = () => {};
  #received = 0;
  #watchdog: NodeJS.Timeout | undefined;
  readonly #sessions = new Sessions();
  readonly #spare: SpareSession;

  constructor(
    private readonly client: Client,
    private readonly socket: Socket | Duplex,
    private readonly config: SshConfig,
    private readonly terms: Terms,
    private readonly through: NodeConnection | undefined,
  ) {
    this.#spare = new SpareSession(client);
    this.closed = new Promise((settle) => {
      this.#settle = settle;
    });
    socket.on("data", (data: Buffer) => {
      this.#received += data.length;
    });
    client.on("error", (error) => {
      this.#lost ??= error;
    });
    client.once("close", () => this.#end());
  }

  get description(): string {
    return this.terms.hop;
  }

  get alive(): boolean {
    return !this.#ended && !this.#closing && this.#lost === undefined;
  }

  /** To be called when we are let in. */
  begin(): void {
    const interval = this.terms.keepaliveSeconds * 1000;
    if (interval === 0) return;
    let before = this.#traffic();
    let misses = 0;
    this.#watchdog = setInterval(() => {
      const now = this.#traffic();
      // What was written itself says nothing: only that something had to wait here and then could go.
      const moved = now.received > before.received || (before.waiting > 0 && now.sent > before.sent);
      misses = moved ? 0 : misses + 1;
      before = now;
      if (misses < MISSES) return;
      this.#lost ??= new Error(
        `${this.#place} has not answered for ${MISSES * this.terms.keepaliveSeconds} s`,
      );
      this.socket.destroy();
    }, interval);
    this.#watchdog.unref();
  }

  /** Makes ready for the first command. A jump host runs none. */
  prepare(): void {
    this.#spare.prepare();
  }

  #traffic(): { received: number; sent: number; waiting: number } {
    const { bytesWritten = 0 } = this.socket as Partial<Socket>;
    const waiting = this.socket.writableLength;
    return { received: this.#received, sent: bytesWritten - waiting, waiting };
  }

  exec(command: string): Promise<Channel> {
    // ssh2 gives a reason for a channel that the host did not open.
    const isRefusal = (error: unknown) => (error as { reason?: unknown }).reason !== undefined;
    return this.#sessions
      .start(() => this.#start(command), isRefusal)
      .catch((error: Error) => {
        if (error instanceof ConnectionFailed) throw error;
        const message = `the host does not start commands: ${error.message}`;
        throw this.alive
          ? new ConnectionFailed(this.terms.hop, message, { cause: error })
          : this.#failure("cannot start a command");
      });
  }

  async #start(command: string): Promise<Channel> {
    if (!this.alive) throw this.#failure("cannot start a command");
    const channel = await this.#spare.take();
    const marks = new Marks();
    let refused = false;
    const link: Link = {
      marks,
      kill: (ids, signal) => this.#kill(ids, signal),
      closed: this.closed,
      lost: (what) => this.#failure(refused ? "the host does not start commands" : what),
    };
    channel.once("close", () => this.#sessions.ended());
    startCommand(this.client, channel, loginCommand(command, marks.telling), () => {
      // A lost link ends what is pending in the same way.
      refused = this.alive;
      channel.close();
    });
    return channelOf(channel, link);
  }

  #kill(ids: string, signal: NodeJS.Signals): void {
    if (!this.alive) return;
    this.client.exec(loginCommand(Marks.kill(ids, signal)), (error, channel) => {
      if (error) return;
      channel.resume();
      channel.stderr.resume();
    });
  }

  /** A stream to `config`'s address, from the host. */
  async forward({ address, port }: SshConfig, signal: AbortSignal): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const aborted = () => reject(signal.reason);
      signal.addEventListener("abort", aborted, { once: true });
      this.client.forwardOut("127.0.0.1", 0, address, port, (error, stream) => {
        signal.removeEventListener("abort", aborted);
        if (!error) return resolve(stream);
        const why = error.message.replace("(SSH) Channel open failure: ", "");
        reject(
          new Error(`${this.#place}, the jump host, cannot reach ${address} port ${port}: ${why}`, {
            cause: error,
          }),
        );
      });
    });
  }

  async close(): Promise<void> {
    if (!this.#ended && !this.#closing) {
      this.#closing = true;
      this.client.end();
      // A host that does not answer keeps nobody waiting.
      const impatience = setTimeout(() => this.socket.destroy(), 500);
      void this.closed.then(() => clearTimeout(impatience));
    }
    await this.closed;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#watchdog);
    this.#settle(this.#closing ? undefined : this.#failure());
    void this.through?.close();
  }

  /** Why nothing more goes through here. `what` could not be done, or did not end well. */
  #failure(what?: string): ConnectionFailed {
    const reason = this.alive
      ? `${this.#place} closed the session`
      : this.#closing
        ? "the connection was closed"
        : `the link to ${this.#place} was lost${this.#lost ? `: ${this.#lost.message}` : ""}`;
    return new ConnectionFailed(this.terms.hop, what === undefined ? reason : `${what}: ${reason}`);
  }

  get #place(): string {
    return `${this.config.address} port ${this.config.port}`;
  }
}
