/** Certificates that openssl makes on the host. */
import { X509Certificate } from "node:crypto";
import { AbortedChange, FailedChange, type PosixTarget, RunFailed, Secret, shellQuote } from "consfigurator";

export const keyFile = (name: string): string => `/etc/ssl/private/${name}.key`;
export const certificateFile = (name: string): string => `/etc/ssl/certs/${name}.pem`;

/** A certificate as it shall be. */
export interface Issued {
  /** Of its files. */
  readonly name: string;
  readonly commonName: string;
  /** Empty: it is an authority. */
  readonly names: readonly string[];
  readonly days: number;
  /** In days. */
  readonly renewBefore: number;
  /** By name on this host, or as data; undefined: it signs itself. */
  readonly authority:
    | string
    | undefined
    | { readonly certificate: readonly [string, string]; readonly key: readonly [string, string] };
}

const DAY_MS = 24 * 3600_000;

/** Whether the certificate is as it shall be, for long enough, and its key is there. */
export async function holdsCertificate(target: PosixTarget, issued: Issued): Promise<boolean> {
  const [found, key, signer] = await Promise.all([
    parsed(target, certificateFile(issued.name)),
    target.stat(keyFile(issued.name)),
    signerOf(target, issued),
  ]);
  if (!found || key?.type !== "file" || key.mode !== 0o600) return false;
  if (Date.parse(found.validTo) - Date.now() < issued.renewBefore * DAY_MS) return false;
  if (found.ca !== (issued.names.length === 0)) return false;
  const names = (found.subjectAltName ?? "").split(", ").filter(Boolean).map(plainName);
  if (names.sort().join() !== issued.names.map(plainAddress).sort().join()) return false;
  return issued.authority === undefined || (signer !== undefined && isSignedBy(found, signer));
}

/** `DNS:shop.example.org` and `IP Address:192.0.2.7` without what they are. */
const plainName = (text: string): string => plainAddress(text.replace(/^(DNS|IP Address):/, ""));
/** An IPv6 address in one of its forms. */
const plainAddress = (text: string): string =>
  text.includes(":") ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : text.toLowerCase();

const isSignedBy = (certificate: X509Certificate, signer: X509Certificate): boolean =>
  certificate.checkIssued(signer) && certificate.verify(signer.publicKey);

async function parsed(target: PosixTarget, file: string): Promise<X509Certificate | undefined> {
  const bytes = await target.readBytes(file);
  try {
    return bytes && new X509Certificate(bytes);
  } catch {
    return undefined;
  }
}

async function signerOf(target: PosixTarget, { authority }: Issued): Promise<X509Certificate | undefined> {
  if (authority === undefined) return undefined;
  if (typeof authority === "string") return parsed(target, certificateFile(authority));
  const [iden1, iden2] = authority.certificate;
  const bytes = (await target.data(iden1, iden2)).reveal();
  try {
    return new X509Certificate(bytes);
  } catch {
    throw new AbortedChange(`the data (${iden1}, ${iden2}) is no certificate; it must be one in PEM`);
  }
}

/** Makes the certificate, and its key unless there is one. */
export async function issue(target: PosixTarget, issued: Issued): Promise<void> {
  const signer = await signerOf(target, issued);
  if (issued.authority !== undefined && !signer)
    throw new AbortedChange(
      `there is no certificate authority ${String(issued.authority)} on this host; put certificate.authority("${String(issued.authority)}") before this property`,
    );
  const { authority } = issued;
  const secret =
    typeof authority === "object" ? await target.data(...authority.key) : new Secret(Buffer.alloc(0));
  await target.withTemporaryDirectory(async (directory) => {
    await target.writeFile(`${directory}/extensions`, extensions(issued), { mode: 0o600 });
    if (signer) await target.writeFile(`${directory}/signer`, signer.toString(), { mode: 0o600 });
    const touches = { paths: [directory, keyFile(issued.name), certificateFile(issued.name)] };
    // Without `mayFail`: only what a failure says is masked.
    await target
      .run(`cd ${shellQuote(directory)} && ${script(issued)}`, { input: secret, touches })
      .catch((error: unknown) => {
        if (!(error instanceof RunFailed)) throw error;
        const { stderr } = error.result;
        throw new FailedChange(`openssl did not make the certificate ${issued.name}: ${stderr.trim()}`);
      });
    await target.setMode(`${directory}/certificate`, 0o644);
    await target.copyFile(`${directory}/certificate`, certificateFile(issued.name));
  });
}

function extensions({ names }: Issued): string {
  if (names.length === 0)
    return "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";
  const isAddress = (name: string) => name.includes(":") || /^[0-9.]+$/.test(name);
  return [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "extendedKeyUsage=serverAuth,clientAuth",
    "subjectKeyIdentifier=hash",
    "authorityKeyIdentifier=keyid",
    `subjectAltName=${names.map((each) => `${isAddress(each) ? "IP" : "DNS"}:${each}`).join(",")}`,
    "",
  ].join("\n");
}

/**
 * Leaves `certificate` in the working directory. The key of an authority that is data is in the standard input, which may be a
 * socket: that cannot be opened by its name.
 */
function script({ name, commonName, days, authority }: Issued): string {
  const key = shellQuote(keyFile(name));
  const signing =
    authority === undefined
      ? `-signkey ${key}`
      : `-CA signer -CAkey ${typeof authority === "string" ? shellQuote(keyFile(authority)) : "/dev/stdin"} -set_serial "0x$(openssl rand -hex 16)"`;
  return `umask 077 && mkdir -p /etc/ssl/private /etc/ssl/certs &&
{ [ -s ${key} ] || { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ${key}.new </dev/null && mv ${key}.new ${key}; }; } &&
chmod 600 ${key} &&
openssl req -new -key ${key} -subj ${shellQuote(`/CN=${commonName}`)} -out request </dev/null &&
${typeof authority === "object" ? "cat | " : ""}openssl x509 -req -in request -days ${days} -extfile extensions ${signing} -out certificate`;
}
