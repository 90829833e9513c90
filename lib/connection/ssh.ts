import { defhop, hopAsCode } from "../model/hop";
import { integer, object, oneOf, optional, path, string } from "../model/schema";
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
  identity: optional(path()),
  config: optional(path()),
  transport: optional(oneOf("ssh2", "openssh")),
  keepaliveSeconds: optional(
    integer({ minimum: 0, maximum: 3600, description: "a number of seconds, 0 for never" }),
  ),
  connectTimeoutSeconds: optional(integer({ minimum: 1, maximum: 3600, description: "a number of seconds" })),
});

/**
 * Over ssh, as the user's own OpenSSH configuration has it: HostName, User, Port, IdentityFile, IdentityAgent,
 * ProxyJump, known_hosts and the rest, Match and Include too. After another hop that is not this machine, the `ssh` of
 * that machine is run there, with its configuration and its keys; for a jump host with the keys of this one, use
 * ProxyJump.
 *
 * - `user`, `port`: in place of the configured ones.
 * - `hop`: the address to connect to while DNS does not know the host. Its host key is still the one known for the
 *   host's own name; keys known for the address count only when there is none.
 * - `identity`: the only key to offer, a private key file of this machine.
 * - `config`: the OpenSSH configuration file to read in place of the user's and the system's.
 * - `transport`: `"ssh2"` connects from within this process; `"openssh"` through the system's `ssh`, which is chosen
 *   by itself for what ssh2 cannot do: certificates, hardware keys, Kerberos, ProxyCommand, a ControlPath in use.
 * - `keepaliveSeconds`: a link that is silent for three times this long is given up; 3 unless given.
 * - `connectTimeoutSeconds`: time for the connection, without the time a person takes to answer; ConnectTimeout of the
 *   configuration, or 20.
 *
 * Throws `ConnectionFailed` when the host cannot be reached, is not the one that known_hosts tells of, or lets nobody in.
 */
export const ssh = defhop({
  name: "ssh",
  args,
  open: async (said, context) => {
    const { keepaliveSeconds = 3, connectTimeoutSeconds, transport, ...destination } = said;
    const hop = hopAsCode({ hop: "ssh", args: said, site: "" });
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
        text: `${hop} goes through the system's ssh: ${reasons.join("; ")}`,
      });
    }
    const kept = options(last?.config.value("connecttimeout"));
    return chosen === "ssh2"
      ? connectByNode(endpoints, kept)
      : connectByOpenssh({ parent: context.parent, destination: target, endpoint: last }, kept);
  },
});
