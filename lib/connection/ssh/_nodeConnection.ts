import type { Socket } from "node:net";
import type { Duplex, Readable } from "node:stream";
import type { Channel, Connection, ExecOptions } from "../../model/connection";
import { ConnectionFailed } from "../../model/errors";
import { RunningCommands } from "../_running-commands";
import { StderrMarkers } from "../_stderr-markers";
import { channelOf, type Link } from "./_channel";
import { CommandStart } from "./_commandStart";
import type { SshConfig } from "./_config";
import { type ConnectOptions, MAX_MISSED_KEEPALIVES } from "./_endpoints";
import type { Client } from "./_library";
import { loginCommand } from "./_login";
import { Sessions } from "./_sessions";
import { SpareSessions, startCommand } from "./_spare";

/** An established ssh2 connection. */
export class NodeConnection implements Connection {
  readonly closed: Promise<Error | undefined>;
  #lost: Error | undefined;
  #ended = false;
  #closing = false;
  #settle: (reason: Error | undefined) => void = () => {};
  #received = 0;
  #watchdog: NodeJS.Timeout | undefined;
  readonly #sessions = new Sessions();
  readonly #running = new RunningCommands();
  readonly #spare: SpareSessions;

  constructor(
    private readonly client: Client,
    private readonly socket: Socket | Duplex,
    private readonly config: SshConfig,
    private readonly options: ConnectOptions,
    private readonly through: NodeConnection | undefined,
  ) {
    this.#spare = new SpareSessions(client);
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
    return this.options.hop;
  }

  get alive(): boolean {
    return !this.#ended && !this.#closing && this.#lost === undefined;
  }

  /** Call after the login. */
  begin(): void {
    const interval = this.options.keepaliveSeconds * 1000;
    if (interval === 0) return;
    let before = this.#traffic();
    let misses = 0;
    this.#watchdog = setInterval(() => {
      const now = this.#traffic();
      // A write alone proves nothing; data that had to wait in the buffer and was then sent does.
      const moved = now.received > before.received || (before.waiting > 0 && now.sent > before.sent);
      misses = moved ? 0 : misses + 1;
      before = now;
      if (misses < MAX_MISSED_KEEPALIVES) return;
      this.#lost ??= new Error(
        `${this.#endpoint} has not answered for ${MAX_MISSED_KEEPALIVES * this.options.keepaliveSeconds} s`,
      );
      this.socket.destroy();
    }, interval);
    this.#watchdog.unref();
  }

  /** Opens sessions in advance for the first commands. Not for jump hosts, which run none. */
  prepare(): void {
    this.#spare.prepare();
  }

  #traffic(): { received: number; sent: number; waiting: number } {
    const { bytesWritten = 0 } = this.socket as Partial<Socket>;
    const waiting = this.socket.writableLength;
    return { received: this.#received, sent: bytesWritten - waiting, waiting };
  }

  exec(command: string, options: ExecOptions = {}): Promise<Channel> {
    const { lasting = false } = options;
    // ssh2 sets `reason` when the host refused to open a channel.
    const isRefusal = (error: unknown) => (error as { reason?: unknown }).reason !== undefined;
    return this.#sessions
      .start(() => this.#start(command, options), isRefusal, lasting)
      .catch((error: Error) => {
        if (error instanceof ConnectionFailed) throw error;
        const message = `the host refused to start the command: ${error.message}`;
        throw this.alive
          ? new ConnectionFailed(this.options.hop, message, { cause: error })
          : this.#failure("cannot start a command");
      });
  }

  async #start(command: string, { lasting, startsAtOnce }: ExecOptions): Promise<Channel> {
    if (!this.alive) throw this.#failure("cannot start a command");
    const channel = await this.#spare.take();
    const markers = new StderrMarkers();
    const guarded = !startsAtOnce;
    let refused = false;
    const link: Link = {
      markers,
      guarded,
      start: new CommandStart(this.options, this.config, [channel, channel.stderr as Readable]),
      kill: (ids, signal) => this.#kill(ids, signal),
      closed: this.closed,
      lost: (problem) => this.#failure(refused ? "the host refused to start the command" : problem),
    };
    channel.once("close", () => this.#sessions.ended(lasting));
    startCommand(this.client, channel, loginCommand(command, markers.reportingIds(guarded)), () => {
      // A lost connection fails pending requests too, which is not a refusal.
      refused = this.alive;
      channel.close();
    });
    return this.#running.add(channelOf(channel, link));
  }

  #kill(ids: string, signal: NodeJS.Signals): Promise<void> {
    return new Promise((sent) => {
      if (!this.alive) return sent();
      void this.closed.then(() => sent());
      this.client.exec(loginCommand(StderrMarkers.kill(ids, signal)), (error, channel) => {
        if (error) return sent();
        channel.once("close", () => sent());
        channel.resume();
        channel.stderr.resume();
      });
    });
  }

  /** Opens a stream from the host to the address of `config`. */
  async forward({ address, port }: SshConfig, signal: AbortSignal): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const aborted = () => reject(signal.reason);
      signal.addEventListener("abort", aborted, { once: true });
      this.client.forwardOut("127.0.0.1", 0, address, port, (error, stream) => {
        signal.removeEventListener("abort", aborted);
        if (!error) return resolve(stream);
        const reason = error.message.replace("(SSH) Channel open failure: ", "");
        reject(
          new Error(`${this.#endpoint}, the jump host, cannot reach ${address} port ${port}: ${reason}`, {
            cause: error,
          }),
        );
      });
    });
  }

  async close(): Promise<void> {
    if (this.alive) await this.#running.end();
    if (!this.#ended && !this.#closing) {
      this.#closing = true;
      this.client.end();
      // Do not wait for a host that does not answer.
      const timer = setTimeout(() => this.socket.destroy(), 500);
      void this.closed.then(() => clearTimeout(timer));
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

  /** The error for a closed or lost connection. `problem`: what failed because of it. */
  #failure(problem?: string): ConnectionFailed {
    const reason = this.alive
      ? `${this.#endpoint} closed the session`
      : this.#closing
        ? "the connection was closed"
        : `the link to ${this.#endpoint} was lost${this.#lost ? `: ${this.#lost.message}` : ""}`;
    return new ConnectionFailed(this.options.hop, problem === undefined ? reason : `${problem}: ${reason}`);
  }

  get #endpoint(): string {
    return `${this.config.address} port ${this.config.port}`;
  }
}
