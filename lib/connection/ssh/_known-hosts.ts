import { createHash, createHmac, randomBytes } from "node:crypto";
import { access, appendFile, chmod, mkdir, open } from "node:fs/promises";
import path from "node:path";
import { shellQuote } from "../../util/shell-quote";
import { run, type SshConfig } from "./_config";
import { negotiable } from "./_library";

/** A key of a host in a known_hosts file. */
export interface KnownKey {
  readonly file: string;
  readonly line: number;
  readonly marker: "plain" | "revoked" | "authority";
  readonly type: string;
  /** As sent over the wire, in base64. */
  readonly key: string;
  /** The name it was found under, as given to `ssh-keygen -F`. */
  readonly name: string;
}

export type Verdict =
  | { readonly kind: "known" }
  | { readonly kind: "unknown" }
  | { readonly kind: "changed"; readonly known: readonly KnownKey[] }
  | { readonly kind: "revoked"; readonly known: readonly KnownKey[] };

/**
 * The keys of one host in the user's known_hosts files.
 *
 * They are looked up like OpenSSH does: under HostKeyAlias, else under the address, with the port unless it is 22. The
 * address of a `hop` is temporary, so the host's own name is used instead, as if DNS knew it already; keys known for the
 * hop's address count only when there is none under that name.
 */
export class KnownHost {
  private constructor(
    /** The name under which a new key is recorded. */
    readonly name: string,
    private readonly keys: readonly KnownKey[],
    /** Keys under the name without its port: they are trusted, but a different key does not count as changed. */
    private readonly portless: readonly KnownKey[],
  ) {}

  static async lookUp(config: SshConfig): Promise<KnownHost> {
    const { hostKeyAlias, port, address, destination } = config;
    const files = [
      ...config.knownHostsFiles("userknownhostsfile"),
      ...config.knownHostsFiles("globalknownhostsfile"),
    ];
    const host = destination.hop === undefined ? address : destination.name;
    const name = hostKeyAlias ?? withPort(host, port);
    const [own, atAddress, portless] = await Promise.all([
      keysOf(name, files),
      hostKeyAlias === undefined && destination.hop !== undefined
        ? keysOf(withPort(destination.hop, port), files)
        : [],
      hostKeyAlias === undefined && port !== 22 ? keysOf(host.toLowerCase(), files) : [],
    ]);
    const decisive = own.some(isPlain) ? own : [...own, ...atAddress];
    return new KnownHost(name, decisive, decisive.some(isPlain) ? [] : portless);
  }

  /** True if known_hosts has a certificate authority for this host. */
  get hasAuthority(): boolean {
    return [...this.keys, ...this.portless].some(({ marker }) => marker === "authority");
  }

  /** The HostKeyAlias with which OpenSSH finds the same keys. */
  get alias(): string {
    return [...this.keys, ...this.portless].find(isPlain)?.name ?? this.name;
  }

  /** Host key algorithms to offer, those of known keys first, so that the host sends a key that can be compared. */
  algorithms(allowed: readonly string[]): string[] {
    const known = new Set([...this.keys, ...this.portless].filter(isPlain).map(({ type }) => type));
    const usable = negotiable.serverHostKey.filter(
      (algorithm) => allowed.length === 0 || allowed.includes(algorithm),
    );
    const isKnown = (algorithm: string) => known.has(algorithm.startsWith("rsa-") ? "ssh-rsa" : algorithm);
    return [...usable.filter(isKnown), ...usable.filter((algorithm) => !isKnown(algorithm))];
  }

  judge(key: Buffer): Verdict {
    const base64 = key.toString("base64");
    const same = [...this.keys, ...this.portless].filter((known) => known.key === base64);
    const revoked = same.filter(({ marker }) => marker === "revoked");
    if (revoked.length > 0) return { kind: "revoked", known: revoked };
    if (same.some(isPlain)) return { kind: "known" };
    const others = this.keys.filter(isPlain);
    return others.length > 0 ? { kind: "changed", known: others } : { kind: "unknown" };
  }

  /** Adds `key` to the user's own file, creating it if necessary. Returns the file, or undefined when none is configured. */
  async record(key: Buffer, config: SshConfig): Promise<string | undefined> {
    const [file] = config.knownHostsFiles("userknownhostsfile");
    if (file === undefined || file === "/dev/null") return undefined;
    const isNew = !(await exists(file));
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const name = config.isOn("hashknownhosts") ? hashed(this.name.toLowerCase()) : this.name.toLowerCase();
    const line = `${await missingNewline(file)}${knownHostsLine(name, key)}\n`;
    await appendFile(file, line, { mode: 0o600 });
    if (isNew) await chmod(file, 0o600);
    return file;
  }
}

const isPlain = ({ marker }: KnownKey): boolean => marker === "plain";

/** The name of a host in known_hosts files. */
const withPort = (host: string, port: number): string =>
  port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;

const keysOf = async (name: string, files: readonly string[]): Promise<KnownKey[]> =>
  (await Promise.all(files.map((file) => keysIn(name, file)))).flat();

async function keysIn(name: string, file: string): Promise<KnownKey[]> {
  if (!(await exists(file))) return [];
  // Exit code 1: nothing was found.
  const printed = await run("ssh-keygen", ["-F", name, "-f", file]).catch(
    ({ stdout }: { stdout?: string }) => stdout ?? "",
  );
  const keys: KnownKey[] = [];
  let line = 0;
  for (const text of printed.split("\n")) {
    const found = /^# Host .* found: line (\d+)/.exec(text)?.[1];
    if (found !== undefined) line = Number(found);
    const [, marker, type, key] =
      /^(?:@(\S+) )?\S+ (\S+) ([A-Za-z0-9+/=]+)/.exec(text.startsWith("#") ? "" : text) ?? [];
    if (type === undefined || key === undefined) continue;
    keys.push({
      file,
      line,
      marker: marker === "revoked" ? marker : marker ? "authority" : "plain",
      type,
      key,
      name,
    });
  }
  return keys;
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/** A newline if the last line of the file lacks one, as after an edit by hand. */
async function missingNewline(file: string): Promise<string> {
  const handle = await open(file, "r").catch(() => undefined);
  if (!handle) return "";
  try {
    const { size } = await handle.stat();
    if (size === 0) return "";
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] === 0x0a ? "" : "\n";
  } finally {
    await handle.close();
  }
}

/** The name in the format of HashKnownHosts. */
function hashed(name: string): string {
  const salt = randomBytes(20);
  return `|1|${salt.toString("base64")}|${createHmac("sha1", salt).update(name).digest("base64")}`;
}

/** The line of a known_hosts file for `key` of the host `name`. */
export const knownHostsLine = (name: string, key: Buffer): string =>
  `${name} ${keyType(key)} ${key.toString("base64")}`;

/** `ED25519 SHA256:…`, as OpenSSH prints it. */
export const fingerprint = (key: Buffer): string => `${typeLabel(keyType(key))} ${sha256(key)}`;

/** The key type, which is the first field of every key as sent over the wire. */
export const keyType = (key: Buffer): string => key.toString("latin1", 4, 4 + key.readUInt32BE(0));

export const typeLabel = (type: string): string =>
  type.startsWith("ecdsa-") ? "ECDSA" : (type.replace(/^(sk-)?ssh-/, "").split("@")[0] ?? type).toUpperCase();

const sha256 = (key: Buffer): string =>
  `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;

/** The position and fingerprint of a known key, for messages. */
export const describeKnown = ({ file, line, key }: KnownKey): string =>
  `${file}:${line} has ${fingerprint(Buffer.from(key, "base64"))}`;

/** The commands that remove these keys from known_hosts. */
export const removeCommands = (known: readonly KnownKey[]): string[] => [
  ...new Set(known.map(({ file, name }) => `ssh-keygen -f ${shellQuote(file)} -R ${shellQuote(name)}`)),
];
