import type { Connection } from "../../model/connection";
import { Cancelled, ConnectionFailed } from "../../model/errors";
import type { Progress } from "../../model/events";
import type { Asker } from "../../model/hop";
import { type Destination, type SshConfig, sshConfig } from "./_config";
import { type Keys, keysFor } from "./_keys";
import { KnownHost } from "./_known-hosts";

/** One ssh connection to make: its configuration, known host keys and login keys. */
export interface SshEndpoint {
  readonly config: SshConfig;
  readonly known: KnownHost;
  readonly keys: Keys;
}

/** One ssh connection to make through the system's `ssh`. */
export interface Route {
  /** The connection that runs `ssh`. */
  readonly parent: Connection;
  readonly destination: Destination;
  /** Undefined when `ssh` runs on another machine, with the configuration there. */
  readonly endpoint?: SshEndpoint | undefined;
}

/** Options for making and keeping connections. */
export interface ConnectOptions {
  /** As written in a consfig, for messages. */
  readonly hop: string;
  readonly connectTimeoutSeconds: number;
  readonly keepaliveSeconds: number;
  readonly ask: Asker | undefined;
  readonly signal: AbortSignal;
  progress(event: Progress): void;
}

/** How many keepalive intervals may pass without an answer. */
export const MAX_MISSED_KEEPALIVES = 3;

/** The error of a cancelled attempt. */
export function cancellation({ signal, hop }: ConnectOptions): Error {
  return signal.reason instanceof Cancelled
    ? signal.reason
    : new Cancelled(`${hop}: cancelled while connecting`);
}

/** The connections to make, each through the one before it: jump hosts first, `destination` last. */
export async function endpointsTo(
  destination: Destination,
  hop: string,
  signal: AbortSignal,
): Promise<SshEndpoint[]> {
  return endpoints(destination, undefined, []);

  /** `before`: the jump hosts before this one in the ProxyJump of a later host; they replace its own. */
  async function endpoints(
    to: Destination,
    before: readonly string[] | undefined,
    seen: readonly string[],
  ): Promise<SshEndpoint[]> {
    if (seen.includes(to.name)) {
      throw new ConnectionFailed(hop, `ProxyJump is circular: ${[...seen, to.name].join(" → ")}`);
    }
    const config = await sshConfig(to, hop, signal);
    const [known, keys] = await Promise.all([KnownHost.lookUp(config), keysFor(config, signal)]);
    const jumps = before ?? config.list("proxyjump");
    const last = jumps.at(-1);
    if (last === undefined) return [{ config, known, keys }];
    const jump = jumpDestination(last, to.config);
    const earlier = jumps.length > 1 ? jumps.slice(0, -1) : undefined;
    return [...(await endpoints(jump, earlier, [...seen, to.name])), { config, known, keys }];
  }
}

/** Parses one item of ProxyJump: `[user@]host[:port]` or `ssh://…`. */
function jumpDestination(text: string, config: string | undefined): Destination {
  const [, user, bracketed, host, port] =
    /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?\/?$/.exec(text.trim()) ?? [];
  return {
    name: bracketed ?? host ?? text.trim(),
    ...(user !== undefined && { user }),
    ...(port !== undefined && { port: Number(port) }),
    ...(config !== undefined && { config }),
  };
}
