import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Connection } from "../../model/connection";
import { ConnectionFailed } from "../../model/errors";
import { Authentication } from "./_auth";
import type { SshConfig } from "./_config";
import { Deadline } from "./_deadline";
import { type ConnectOptions, cancellation, type SshEndpoint } from "./_endpoints";
import { unansweredQuestion } from "./_failure";
import { HostKeyCheck } from "./_hostkey";
import { negotiable, sshLibrary } from "./_library";
import { NodeConnection } from "./_nodeConnection";
import { explainNetworkError, unanswered as noAnswer, tcpSocket } from "./_socket";

/** Connects through node-ssh: the first of `endpoints` directly, each further one through the one before it. */
export async function connectByNode(
  endpoints: readonly SshEndpoint[],
  options: ConnectOptions,
): Promise<Connection> {
  let connection: NodeConnection | undefined;
  for (const endpoint of endpoints) {
    try {
      connection = await open(endpoint, options, connection);
    } catch (error) {
      await connection?.close();
      throw error;
    }
  }
  if (!connection) throw new ConnectionFailed(options.hop, "no host to connect to");
  connection.prepare();
  return connection;
}

async function open(
  endpoint: SshEndpoint,
  options: ConnectOptions,
  through: NodeConnection | undefined,
): Promise<NodeConnection> {
  const { config, known, keys } = endpoint;
  const address = `${config.address} port ${config.port}`;
  const deadline = new Deadline(options.connectTimeoutSeconds, options.signal);
  const left = new AbortController();
  const ask = deadline.pausing(options.ask, left.signal);
  const check = new HostKeyCheck(config, known, ask, options.progress);
  let socket: Socket | Duplex | undefined;
  /** The host has left while the user was asked. */
  let unanswered = false;
  const giveUp = () => void socket?.destroy();
  const authentication = new Authentication(config, keys, ask, giveUp);
  try {
    socket = through
      ? await through.forward(config, deadline.signal)
      : await tcpSocket(config, deadline.signal);
    socket.once("close", () => {
      unanswered = deadline.asking;
      left.abort();
    });
    deadline.signal.addEventListener("abort", giveUp);
    deadline.signal.throwIfAborted();
    const node = new (sshLibrary().NodeSSH)();
    const connecting = node.connect({
      sock: socket as Socket,
      username: config.user,
      readyTimeout: 0,
      // ssh2 only sends these; `NodeConnection` detects a missing answer, since it counts any traffic.
      keepaliveInterval: options.keepaliveSeconds * 1000,
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
    const connection = new NodeConnection(client, socket, config, options, through);
    let recorded: Promise<void> | undefined;
    client.once("handshake", () => {
      recorded = check.record();
    });
    await connecting;
    await recorded;
    authentication.succeeded();
    connection.begin();
    return connection;
  } catch (error) {
    socket?.destroy();
    if (options.signal.aborted) throw cancellation(options);
    if (check.refusal !== undefined) throw new ConnectionFailed(options.hop, check.refusal);
    if (unanswered) {
      throw new ConnectionFailed(options.hop, unansweredQuestion(address), { cause: error });
    }
    if (deadline.passed) {
      throw new ConnectionFailed(options.hop, `${noAnswer(address)} (timed out after ${deadline.seconds} s)`);
    }
    if (authentication.exhausted || isAboutLogin(error)) {
      throw new ConnectionFailed(options.hop, loginFailure(config, authentication, error), { cause: error });
    }
    throw new ConnectionFailed(options.hop, reasonOf(error, config), { cause: error });
  } finally {
    deadline.end();
    deadline.signal.removeEventListener("abort", giveUp);
  }
}

/** Those of `ours` that the configuration allows; all of them if it lists none. */
const allowed = <T extends string>(ours: readonly T[], configured: readonly string[]): T[] =>
  ours.filter((name) => configured.length === 0 || configured.includes(name));

const isAboutLogin = (error: unknown): boolean => /authentication/i.test((error as Error).message);

function loginFailure(config: SshConfig, authentication: Authentication, error: unknown): string {
  const { user, address, port, destination } = config;
  const tooMany = /too many/i.test((error as Error).message);
  return [
    `${address} port ${port}: login as ${user} failed (${authentication.report()})`,
    tooMany
      ? "the host disconnected after too many keys: select the right one with `identity`, or IdentityFile and IdentitiesOnly in ~/.ssh/config"
      : `${destination.user === undefined ? "check the user, which the hop does not set, and" : "check"} that one of these keys is in ~${user}/.ssh/authorized_keys on the host`,
  ].join("; ");
}

function reasonOf(error: unknown, config: SshConfig): string {
  const { message, cause } = error as Error;
  if (cause !== undefined) return message;
  const address = `${config.address} port ${config.port}`;
  if (/Handshake failed: no matching/.test(message))
    return `${address} and ssh2 have no algorithm in common (${message}); try via.ssh({ transport: "openssh" })`;
  if (/No response from server|before handshake|ECONNRESET/.test(message))
    return `${address} closed the connection before login; see the log of its sshd`;
  return explainNetworkError(error as Error, config);
}
