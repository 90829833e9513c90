/** The keys by which sshd of a host is known to others. */
import { attribute, InapplicableProperty, schema } from "consfigurator";
import { AUTHORIZED_KEY, parseKey } from "./_authorizedKeys";

const { oneOf, string } = schema;

/** A host key: its type, as in the name of its file, and its public part on one line. */
export interface HostPublicKey {
  readonly type: string;
  readonly publicKey: string;
}

/** The host keys that the properties of a host declare. */
export const hostPublicKeys = attribute<HostPublicKey>("sshd/hostPublicKeys");

export const hostKeyType = () => oneOf("ed25519", "ecdsa", "rsa");

export const publicKeyLine = () =>
  string({
    pattern: AUTHORIZED_KEY,
    description: 'a public key on one line, such as "ssh-ed25519 AAAA… me@laptop"',
  });

const TYPES: Readonly<Record<string, RegExp>> = {
  ed25519: /^ssh-ed25519 /,
  ecdsa: /^ecdsa-sha2-nistp\d+ /,
  rsa: /^ssh-rsa /,
};

/** The type and material of `publicKey`. Throws `InapplicableProperty` for a key of another type, or one with options. */
export function hostKeyOf({ type, publicKey }: HostPublicKey): string {
  const key = parseKey(publicKey);
  if (key?.options === "" && TYPES[type]?.test(key.key)) return key.key;
  throw new InapplicableProperty(
    `"${publicKey}" is not a host key of type ${type}; give the content of /etc/ssh/ssh_host_${type}_key.pub`,
  );
}
