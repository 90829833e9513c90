import { defhop, hopAsCode } from "../model/hop";
import { integer, localPath, object, oneOf, optional, string } from "../model/schema";
import type { Destination } from "./ssh/_config";
import { type ConnectOptions, endpointsTo } from "./ssh/_endpoints";
import { connectByNode } from "./ssh/_node";
import { connectByOpenssh } from "./ssh/_openssh";
import { reasonsForOpenssh } from "./ssh/_reasons";

const user = () => string({ pattern: "^[^\\s@:/-][^\\s@:/]*$", description: "the name of an account" });
const address = () =>
  string({ pattern: "^[^\\s@/-][^\\s@/]*$", description: "a host name or an IP address" });

const args = object({
  user: optional(user()),
  port: optional(integer({ minimum: 1, maximum: 65535, description: "a port number" })),
  hop: optional(address()),
  identity: optional(localPath()),
  config: optional(localPath()),
  transport: optional(oneOf("ssh2", "openssh")),
  keepaliveSeconds: optional(
    integer({ minimum: 0, maximum: 3600, description: "a number of seconds, 0 for never" }),
  ),
  connectTimeoutSeconds: optional(integer({ minimum: 1, maximum: 3600, description: "a number of seconds" })),
});

/**
 * Connects over ssh with the user's OpenSSH configuration: HostName, User, Port, IdentityFile, IdentityAgent, ProxyJump,
 * known_hosts and the rest, including Match and Include. After a hop to another machine, runs that machine's `ssh`, with
 * its configuration and its keys; for a jump host with this machine's keys, use ProxyJump.
 *
 * - `user`, `port`: override the configuration.
 * - `hop`: the address to connect to while DNS does not know the host. Its host key is still looked up under the host's
 *   own name; keys known for the address count only when there is none.
 * - `identity`: the only key to offer, a private key file on this machine.
 * - `config`: the OpenSSH configuration file to read instead of the user's and the system's.
 * - `transport`: `"ssh2"` connects from within this process; `"openssh"` runs the system's `ssh`, which is the default
 *   where ssh2 cannot connect: certificates, hardware keys, Kerberos, ProxyCommand, a ControlPath in use.
 * - `keepaliveSeconds`: the connection is lost after three times this long without an answer; default: 3.
 * - `connectTimeoutSeconds`: the time limit for connecting, not counting the time the user takes to answer; default:
 *   ConnectTimeout of the configuration, or 20.
 *
 * Throws `ConnectionFailed` when the host cannot be reached, its key does not match known_hosts, or the login fails.
 */
export const ssh = defhop({
  name: "ssh",
  args,
  asks: true,
  open: async (given, context) => {
    const { keepaliveSeconds = 3, connectTimeoutSeconds, transport, ...destination } = given;
    const hop = hopAsCode({ hop: "ssh", args: given, site: "" });
    const options = (configured?: string): ConnectOptions => ({
      hop,
      keepaliveSeconds,
      connectTimeoutSeconds: connectTimeoutSeconds ?? (Number.parseInt(configured ?? "", 10) || 20),
      ask: context.ask,
      signal: context.signal,
      progress: (event) => context.progress(event),
    });
    const target: Destination = { ...destination, name: context.host.name };
    if (!context.parent.local)
      return connectByOpenssh({ parent: context.parent, destination: target }, options());

    const endpoints = await endpointsTo(target, hop, context.signal);
    const last = endpoints.at(-1);
    const reasons = transport === undefined ? await reasonsForOpenssh(endpoints) : [];
    const chosen = transport ?? (reasons.length > 0 ? "openssh" : "ssh2");
    if (reasons.length > 0) {
      context.progress({
        kind: "notice",
        text: `${hop} uses the system's ssh: ${reasons.join("; ")}`,
      });
    }
    const configured = options(last?.config.value("connecttimeout"));
    return chosen === "ssh2"
      ? connectByNode(endpoints, configured)
      : connectByOpenssh({ parent: context.parent, destination: target, endpoint: last }, configured);
  },
});
