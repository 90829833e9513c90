import { connect, type Socket } from "node:net";
import type { SshConfig } from "./_config";

/** Opens a TCP connection without Nagle's delay. Rejects with advice for the user, and immediately if `signal` aborts. */
export function tcpSocket(config: SshConfig, signal: AbortSignal): Promise<Socket> {
  const { address, port } = config;
  const family = { inet: 4, inet6: 6 }[config.value("addressfamily") ?? ""];
  const localAddress = config.value("bindaddress");
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: address,
      port,
      noDelay: true,
      ...(family !== undefined && { family }),
      ...(localAddress !== undefined && { localAddress }),
    });
    // Node's own `signal` option would still destroy the open socket when the deployment that opened it is cancelled.
    const abort = () => socket.destroy(new Error("cancelled"));
    signal.addEventListener("abort", abort);
    const settled = () => signal.removeEventListener("abort", abort);
    socket.once("connect", () => {
      settled();
      resolve(batched(socket));
    });
    socket.once("error", (error) => {
      settled();
      reject(new Error(explainNetworkError(error, config), { cause: error }));
    });
  });
}

/** Sends the writes of one tick together: ssh2 writes each packet in three pieces. */
function batched(socket: Socket): Socket {
  const write = socket.write.bind(socket) as (...given: unknown[]) => boolean;
  let corked = false;
  const batching = (...given: unknown[]) => {
    if (!corked) {
      corked = true;
      socket.cork();
      process.nextTick(() => {
        corked = false;
        socket.uncork();
      });
    }
    return write(...given);
  };
  return Object.assign(socket, { write: batching });
}

/** The message for a network error, with advice for the user. */
export function explainNetworkError(error: Error, { address, port, destination }: SshConfig): string {
  const endpoint = `${address} port ${port}`;
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : error;
  switch ((first as NodeJS.ErrnoException).code) {
    case "ENOTFOUND":
    case "EAI_NONAME":
    case "ENODATA":
      return destination.hop === undefined
        ? `cannot resolve ${address}; if DNS does not know it yet, give its address: via.ssh({ hop: "203.0.113.7" })`
        : `cannot resolve the hop address ${address}; check its spelling, or give an IP address`;
    case "EAI_AGAIN":
      return `cannot resolve ${address} now: no name server answers; check this machine's network`;
    case "ECONNREFUSED":
      return `${endpoint} refused the connection: no sshd listens there; check the port, and that sshd is running`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `cannot reach ${endpoint}: ${first.message}; check the address and the network`;
    case "ETIMEDOUT":
      return unanswered(endpoint);
    case "ECONNRESET":
    case "EPIPE":
      return `${endpoint} closed the connection`;
    default:
      return `${endpoint}: ${first.message}`;
  }
}

export const unanswered = (endpoint: string): string =>
  `${endpoint} does not answer; check the address, that the machine is up, and that no firewall blocks the port`;
