import type { Client, ClientChannel } from "./_library";

/** As many commands as begin together: what is asked of files, and what commands are asked. */
const SPARES = 2;

/**
 * Opens sessions in advance: a command then takes one round trip instead of two, and its input is sent along with it.
 * ssh2 has no API for a session without a command, so the functions below repeat the internals of `client.exec`.
 */
export class SpareSessions {
  readonly #next: Promise<ClientChannel>[] = [];
  #closed = false;

  constructor(private readonly client: Client) {
    client.once("close", () => {
      this.#closed = true;
    });
  }

  /** Opens the next sessions. An error surfaces when a session is taken. */
  prepare(): void {
    while (this.#next.length < SPARES) {
      const opening = openSession(this.client);
      this.#next.push(opening);
      opening.catch(() => {
        const at = this.#next.indexOf(opening);
        if (at >= 0) this.#next.splice(at, 1);
      });
    }
  }

  /**
   * Returns a session for a command. Rejects with ssh2's error, whose `reason` is set when the host refused the session, and
   * when the connection is closed: ssh2 would never answer.
   */
  async take(): Promise<ClientChannel> {
    const spare = await this.#next.shift()?.catch(() => undefined);
    if (this.#closed) throw new Error("the connection is closed");
    const channel = spare ?? (await openSession(this.client));
    if (inner(channel).outgoing.state !== "open") return this.take();
    this.prepare();
    return channel;
  }
}

/** Starts `line` in a new session. Calls `refused` if the host later refuses it. */
export function startCommand(
  client: Client,
  channel: ClientChannel,
  line: string,
  refused: () => void,
): void {
  inner(channel)._callbacks.push((failed) => {
    if (failed) refused();
  });
  inner(client)._protocol.exec(inner(channel).outgoing.id, line, true);
}

/** The values that ssh2 uses for its channels. */
const WINDOW = 2 * 1024 * 1024;
const PACKET = 32 * 1024;

function openSession(client: Client): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const opened = (error: Error | undefined, channel: ClientChannel) =>
      error ? reject(error) : resolve(channel);
    const { _chanMgr, _protocol } = inner(client);
    const id = _chanMgr.add(Object.assign(opened, { type: "session" }));
    if (id === -1) return reject(new Error("ssh2 has no channel left"));
    _protocol.session(id, WINDOW, PACKET);
  });
}

/** Internals of the pinned version of ssh2, absent from its types. */
interface InnerClient {
  readonly _chanMgr: { add(opened: (error: Error | undefined, channel: ClientChannel) => void): number };
  readonly _protocol: {
    session(id: number, window: number, packet: number): void;
    exec(id: number, line: string, wantReply: boolean): void;
  };
}
interface InnerChannel {
  readonly outgoing: { readonly id: number; readonly state: string };
  readonly _callbacks: ((failed: unknown) => void)[];
}
function inner(of: Client): InnerClient;
function inner(of: ClientChannel): InnerChannel;
function inner(of: unknown): unknown {
  return of;
}
