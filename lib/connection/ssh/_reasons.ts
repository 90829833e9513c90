import { access, readdir } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import type { SshEndpoint } from "./_endpoints";
import { negotiable } from "./_library";

/** Why these connections need the system's `ssh`: the features that ssh2 lacks. Empty when ssh2 suffices. */
export async function reasonsForOpenssh(endpoints: readonly SshEndpoint[]): Promise<string[]> {
  return (await Promise.all(endpoints.map(reasonsFor))).flat();
}

async function reasonsFor({ config, known, keys }: SshEndpoint): Promise<string[]> {
  const { name } = config.destination;
  const ifSet = (keyword: string): string | false =>
    config.value(keyword) !== undefined && `${keyword} is set for ${name}`;
  const ifOn = (keyword: string): string | false => config.isOn(keyword) && `${keyword} is on for ${name}`;
  const control = config.value("controlpath");
  const excluded = Object.entries({
    kex: "kexalgorithms",
    cipher: "ciphers",
    hmac: "macs",
    serverHostKey: "hostkeyalgorithms",
  })
    .filter(([ours, theirs]) => {
      const allowed = config.list(theirs);
      return (
        allowed.length > 0 &&
        !negotiable[ours as keyof typeof negotiable].some((algorithm) => allowed.includes(algorithm))
      );
    })
    .map(([, theirs]) => theirs);
  const reasons = [
    ifSet("proxycommand"),
    ifSet("pkcs11provider"),
    ifSet("certificatefile"),
    ifSet("knownhostscommand"),
    ifSet("revokedhostkeys"),
    ifSet("bindinterface"),
    ifOn("hostbasedauthentication"),
    ifOn("verifyhostkeydns"),
    // Debian turns GSSAPI on by default; it matters only with a Kerberos ticket.
    ifOn("gssapiauthentication") && (await hasKerberosTicket()) && `there is a Kerberos ticket for ${name}`,
    control !== undefined && (await answers(control)) && `the ControlPath ${control} is in use`,
    known.hasAuthority && `known_hosts has a certificate authority for ${name}`,
    keys.opensshOnly.length > 0 && `certificates or hardware keys: ${keys.opensshOnly.join(", ")}`,
    ...excluded.map((keyword) => `ssh2 supports nothing in ${keyword} of ${name}`),
  ];
  return reasons.filter((reason) => reason !== false);
}

async function hasKerberosTicket(): Promise<boolean> {
  if (process.env["KRB5CCNAME"]) return true;
  return readdir(tmpdir()).then(
    (names) => names.some((name) => name.startsWith(`krb5cc_${userInfo().uid}`)),
    () => false,
  );
}

/** True if a master listens at the socket `path`: a crashed one leaves its file behind. */
export async function answers(path: string): Promise<boolean> {
  if (
    !(await access(path).then(
      () => true,
      () => false,
    ))
  )
    return false;
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
