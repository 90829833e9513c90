import { access, readdir } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import type { SshEndpoint } from "./_endpoints";
import { negotiable } from "./_library";

/** Why these connections need the system's `ssh`: each thing that ssh2 cannot do. None: ssh2 will do. */
export async function reasonsForOpenssh(endpoints: readonly SshEndpoint[]): Promise<string[]> {
  return (await Promise.all(endpoints.map(reasonsFor))).flat();
}

async function reasonsFor({ config, known, keys }: SshEndpoint): Promise<string[]> {
  const { name } = config.destination;
  const said = (keyword: string): string | false =>
    config.value(keyword) !== undefined && `${keyword} is set for ${name}`;
  const on = (keyword: string): string | false => config.isOn(keyword) && `${keyword} is on for ${name}`;
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
        !negotiable[ours as keyof typeof negotiable].some((one) => allowed.includes(one))
      );
    })
    .map(([, theirs]) => theirs);
  const reasons = [
    said("proxycommand"),
    said("pkcs11provider"),
    said("certificatefile"),
    said("knownhostscommand"),
    said("revokedhostkeys"),
    said("bindinterface"),
    on("hostbasedauthentication"),
    on("verifyhostkeydns"),
    // Debian turns GSSAPI on for everybody; it means something only to those with a ticket.
    on("gssapiauthentication") && (await hasKerberosTicket()) && `there is a Kerberos ticket for ${name}`,
    control !== undefined && (await answers(control)) && `the ControlPath ${control} is in use`,
    known.hasAuthority && `known_hosts has a certificate authority for ${name}`,
    keys.beyondUs.length > 0 && `of a certificate or a hardware key: ${keys.beyondUs.join(", ")}`,
    ...excluded.map((keyword) => `${keyword} of ${name} has nothing that ssh2 knows`),
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

/** Whether a master listens at the socket `path`: one that crashed leaves its file behind. */
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
