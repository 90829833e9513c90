import { connect, type Socket } from "node:net";
import type { SshConfig } from "./_config";

/** A TCP connection without Nagle's delay. Rejects with what the user can do; at once when `signal` is aborted. */
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
    // Not node's own `signal`, which would still end the socket when the deployment that opened it is cancelled.
    const abort = () => socket.destroy(new Error("given up"));
    signal.addEventListener("abort", abort);
    const settled = () => signal.removeEventListener("abort", abort);
    socket.once("connect", () => {
      settled();
      resolve(gathered(socket));
    });
    socket.once("error", (error) => {
      settled();
      reject(new Error(explained(error, config), { cause: error }));
    });
  });
}

/** Of `socket`, what is written at once leaves at once: ssh2 writes each packet in three pieces. */
function gathered(socket: Socket): Socket {
  const write = socket.write.bind(socket) as (...given: unknown[]) => boolean;
  let corked = false;
  const gathering = (...given: unknown[]) => {
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
  return Object.assign(socket, { write: gathering });
}

/** A failure of the network in words, with what to do about it. */
export function explained(error: Error, { address, port, destination }: SshConfig): string {
  const place = `${address} port ${port}`;
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : error;
  switch ((first as NodeJS.ErrnoException).code) {
    case "ENOTFOUND":
    case "EAI_NONAME":
    case "ENODATA":
      return destination.hop === undefined
        ? `no address is known for ${address}; if DNS does not know it yet, say where it is: via.ssh({ hop: "203.0.113.7" })`
        : `no address is known for the hop ${address}; check its spelling, or give an IP address`;
    case "EAI_AGAIN":
      return `the address of ${address} cannot be looked up now: no name server answers; check this machine's network`;
    case "ECONNREFUSED":
      return `${place} refused the connection: no sshd listens there; check the port, and that sshd runs`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `${place} cannot be reached from here: ${first.message}; check the address and the network`;
    case "ETIMEDOUT":
      return unanswered(place);
    case "ECONNRESET":
    case "EPIPE":
      return `${place} broke off the connection`;
    default:
      return `${place}: ${first.message}`;
  }
}

export const unanswered = (place: string): string =>
  `${place} does not answer; check the address, that the machine is up, and that no firewall drops the port`;
