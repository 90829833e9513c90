import type { Client, ClientChannel } from "./_library";

/**
 * Sessions opened before they are needed: then a command costs one round trip and not two, and its input is on its way
 * with it. ssh2 has no call for a session without a command; what follows is its own way from below `client.exec`.
 */
export class SpareSession {
  #next: Promise<ClientChannel> | undefined;

  constructor(private readonly client: Client) {}

  /** Opens the next one. That it cannot be is found out when it is needed. */
  prepare(): void {
    if (this.#next) return;
    this.#next = openSession(this.client);
    this.#next.catch(() => {
      this.#next = undefined;
    });
  }

  /** A session to start a command in. Rejects with ssh2's error, whose `reason` says that the host refused it. */
  async take(): Promise<ClientChannel> {
    const spare = this.#next;
    this.#next = undefined;
    const channel = (await spare?.catch(() => undefined)) ?? (await openSession(this.client));
    if (inner(channel).outgoing.state !== "open") return this.take();
    this.prepare();
    return channel;
  }
}

/** Starts `line` in a fresh session. `refused` is called when the host says, later, that it does not. */
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

/** The values with which ssh2 makes its channels. */
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

/** What ssh2 keeps behind its types, as of the version that is pinned. */
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
