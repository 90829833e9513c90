/** Hosts that ssh knows. */
import {
  defprop,
  defproplist,
  factsOf,
  type Host,
  type HostFacts,
  InapplicableProperty,
  schema,
  shared,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { parseKey } from "./_authorizedKeys";
import { hostKeyOf, hostPublicKeys, publicKeyLine } from "./_hostKeys";
import { atPort, type KnownHost, withHost, withoutHost } from "./_knownHosts";
import { editedPrivately, SSH_HOME } from "./_sshHome";

const { boolean, hostname, integer, list, object, optional, string } = schema;

const nameOrAddress = () =>
  string({
    pattern: "^[A-Za-z0-9_:][A-Za-z0-9._:%-]*$",
    description: 'a host name or an address, such as "git" or "192.0.2.7"',
  });

const options = {
  keys: optional(list(publicKeyLine(), { minItems: 1 })),
  port: optional(integer({ minimum: 1, maximum: 65_535 })),
  shortHostname: optional(boolean()),
  aliases: optional(boolean()),
  ips: optional(boolean()),
  additionalNames: optional(list(nameOrAddress())),
};
const parentArgs = object(options);
const hostArgs = object({ host: hostname(), ...options });

/** Options of `ssh.knownHost` and the like. */
export type KnownHostOptions = schema.Infer<typeof parentArgs>;

const callWithHost = (host: Host | string, options: KnownHostOptions = {}) => ({
  host: typeof host === "string" ? host : host.name,
  ...(typeof host !== "string" && host.made && recorded(factsOf(host), options)),
  ...options,
});

/** What a host that is not looked up by its name records, as options. */
function recorded(facts: HostFacts, { aliases = true, ips = true }: KnownHostOptions): KnownHostOptions {
  const keys = facts.all(hostPublicKeys).map(({ publicKey }) => publicKey);
  return {
    ...(keys.length > 0 && { keys }),
    additionalNames: namesOf(facts, { aliases, ips }).slice(1),
  };
}

function namesOf(
  facts: HostFacts,
  { shortHostname = false, aliases = true, ips = true, additionalNames = [], port }: KnownHostOptions,
): string[] {
  const names = [
    facts.name,
    ...(aliases ? facts.all(shared.aliases) : []),
    ...(shortHostname ? [facts.name.split(".")[0] ?? ""] : []),
    ...(ips ? [...facts.all(shared.ipv6), ...facts.all(shared.ipv4)] : []),
    ...additionalNames,
  ];
  return [...new Set(names)].map((name) => atPort(name, port));
}

function knownHostOf(facts: HostFacts, options: KnownHostOptions): KnownHost {
  const keys =
    options.keys?.map((line) => parseKey(line)?.key ?? "") ?? facts.all(hostPublicKeys).map(hostKeyOf);
  if (keys.length > 0) return { names: namesOf(facts, options), keys: [...new Set(keys)] };
  throw new InapplicableProperty(
    `${facts.name} declares no host key; put sshd.hasHostPublicKey("ed25519", "ssh-ed25519 AAAA…") among the first of its properties, or give { keys: ["ssh-ed25519 AAAA…"] }`,
  );
}

function parentOf(host: HostFacts): HostFacts {
  if (host.parent) return host.parent;
  throw new InapplicableProperty(
    `${host.name} is not inside another host; use ssh.systemKnownHost with the name of the host that is meant`,
  );
}

const fileFor = (system: boolean): string =>
  system ? "/etc/ssh/ssh_known_hosts" : `${SSH_HOME}/known_hosts`;

const knows = defprop({
  name: "ssh._knows",
  kind: "posix",
  args: object({ names: list(string()), keys: list(string()), system: boolean() }),
  desc: ({ names, system }) => `${fileFor(system)} has ${names.join(", ")}`,
  inline: true,
  apply: ({ system, ...host }, target) => {
    const edit = (lines: readonly string[]) => withHost(lines, host);
    const file = fileFor(system);
    return withCreatedNoted(target, file, () =>
      system ? target.editLines(file, edit) : editedPrivately(target, file, edit),
    );
  },
  unapply: ({ system, ...host }, target) => {
    const file = fileFor(system);
    const edit = (lines: readonly string[]) => withoutHost(lines, host);
    return withCreatedRemoved(target, file, () => target.editLines(file, edit));
  },
});

/**
 * ssh of the connected user knows `host` by the host keys that its properties declare, such as `sshd.hasHostPublicKey`, or by
 * `keys`, for a host that the consfig does not define: in ~/.ssh/known_hosts. Any other key of its names goes, so a key that
 * was replaced is no obstacle. Other names on the same line keep theirs; lines with patterns and of authorities stay. ~/.ssh
 * and the file are created, and restricted, as by `ssh.authorizedKeys`.
 *
 * Its names are that of the host, its recorded aliases (unless `aliases` is false) and addresses (unless `ips` is false), its
 * name up to the first dot with `shortHostname`, and `additionalNames`. `port` is where it listens, if not at 22. A host that
 * declares no key is refused before connecting. Unapplying it removes these keys of these names, and the file that it
 * created, when it is empty.
 *
 * @example ssh.knownHost("git.example.org", { keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z"] })
 * @example ssh.knownHost(web1, { shortHostname: true })
 */
export const knownHost = defproplist({
  name: "ssh.knownHost",
  args: hostArgs,
  call: callWithHost,
  desc: ({ host }) => `ssh knows ${host}`,
  parts: ({ host, ...options }) => [knows({ ...knownHostOf(factsOf(host), options), system: false })],
});

/**
 * As `ssh.knownHost`, for all users of the host: in /etc/ssh/ssh_known_hosts.
 *
 * @example ssh.systemKnownHost("git.example.org", { keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z"], port: 2222 })
 * @example ssh.systemKnownHost(web1)
 */
export const systemKnownHost = defproplist({
  name: "ssh.systemKnownHost",
  args: hostArgs,
  call: callWithHost,
  desc: ({ host }) => `ssh of all users knows ${host}`,
  parts: ({ host, ...options }) => [knows({ ...knownHostOf(factsOf(host), options), system: true })],
});

/**
 * As `ssh.systemKnownHost`, for the host that contains this one, such as the machine of a container. Refused before connecting
 * on a host that is not inside another.
 *
 * @example ssh.parentIsSystemKnownHost({ shortHostname: true })
 */
export const parentIsSystemKnownHost = defproplist({
  name: "ssh.parentIsSystemKnownHost",
  args: parentArgs,
  call: (options: KnownHostOptions = {}) => ({ ...options }),
  desc: () => "ssh of all users knows the host around this one",
  parts: (options, host) => [knows({ ...knownHostOf(parentOf(host), options), system: true })],
});
