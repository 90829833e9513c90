import { createHash, createHmac, randomBytes } from "node:crypto";
import { access, appendFile, chmod, mkdir, open } from "node:fs/promises";
import path from "node:path";
import { shellQuote } from "../../util/shell-quote";
import { run, type SshConfig } from "./_config";
import { negotiable } from "./_library";

/** A key that a known_hosts file has for a host. */
export interface KnownKey {
  readonly file: string;
  readonly line: number;
  readonly mark: "plain" | "revoked" | "authority";
  readonly type: string;
  /** As sent over the wire, in base64. */
  readonly key: string;
  /** The name under which it was found, as `ssh-keygen -F` takes it. */
  readonly name: string;
}

export type Verdict =
  | { readonly kind: "known" }
  | { readonly kind: "unknown" }
  | { readonly kind: "changed"; readonly known: readonly KnownKey[] }
  | { readonly kind: "revoked"; readonly known: readonly KnownKey[] };

/**
 * What the user's known_hosts files say of one host.
 *
 * Keys are looked up as OpenSSH does it: under HostKeyAlias, else under the address, with its port when that is not
 * 22. With a `hop` the address says nothing lasting, so the host's own name is used, as if DNS knew it already; only
 * when nothing is known under that name do keys known for the hop's address decide.
 */
export class KnownHost {
  private constructor(
    /** The name under which a new key is recorded. */
    readonly name: string,
    private readonly keys: readonly KnownKey[],
    /** Keys under the name without its port: one of them is trusted, but another key is no sign of a change. */
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

  /** Whether certificates of some authority are accepted for this host. */
  get hasAuthority(): boolean {
    return [...this.keys, ...this.portless].some(({ mark }) => mark === "authority");
  }

  /** The name that leads OpenSSH to the same keys, as its HostKeyAlias. */
  get alias(): string {
    return [...this.keys, ...this.portless].find(isPlain)?.name ?? this.name;
  }

  /** Host key algorithms to offer, those of known keys first, so that the host shows a key that can be compared. */
  algorithms(allowed: readonly string[]): string[] {
    const known = new Set([...this.keys, ...this.portless].filter(isPlain).map(({ type }) => type));
    const usable = negotiable.serverHostKey.filter(
      (algorithm) => allowed.length === 0 || allowed.includes(algorithm),
    );
    const isKnown = (algorithm: string) => known.has(algorithm.startsWith("rsa-") ? "ssh-rsa" : algorithm);
    return [...usable.filter(isKnown), ...usable.filter((algorithm) => !isKnown(algorithm))];
  }

  judge(key: Buffer): Verdict {
    const shown = key.toString("base64");
    const same = [...this.keys, ...this.portless].filter((known) => known.key === shown);
    const revoked = same.filter(({ mark }) => mark === "revoked");
    if (revoked.length > 0) return { kind: "revoked", known: revoked };
    if (same.some(isPlain)) return { kind: "known" };
    const others = this.keys.filter(isPlain);
    return others.length > 0 ? { kind: "changed", known: others } : { kind: "unknown" };
  }

  /** Adds `key` to the user's own file, which is made if need be. Answers with the file, undefined when there is none. */
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

const isPlain = ({ mark }: KnownKey): boolean => mark === "plain";

/** A host as known_hosts files name it. */
const withPort = (host: string, port: number): string =>
  port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;

const keysOf = async (name: string, files: readonly string[]): Promise<KnownKey[]> =>
  (await Promise.all(files.map((file) => keysIn(name, file)))).flat();

async function keysIn(name: string, file: string): Promise<KnownKey[]> {
  if (!(await exists(file))) return [];
  // Exit code 1 says that nothing was found.
  const printed = await run("ssh-keygen", ["-F", name, "-f", file]).catch(
    ({ stdout }: { stdout?: string }) => stdout ?? "",
  );
  const keys: KnownKey[] = [];
  let line = 0;
  for (const text of printed.split("\n")) {
    const found = /^# Host .* found: line (\d+)/.exec(text)?.[1];
    if (found !== undefined) line = Number(found);
    const [, mark, type, key] =
      /^(?:@(\S+) )?\S+ (\S+) ([A-Za-z0-9+/=]+)/.exec(text.startsWith("#") ? "" : text) ?? [];
    if (type === undefined || key === undefined) continue;
    keys.push({
      file,
      line,
      mark: mark === "revoked" ? mark : mark ? "authority" : "plain",
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

/** A file edited by hand may lack its last newline; what is added must not join that line. */
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

/** The name as HashKnownHosts has it. */
function hashed(name: string): string {
  const salt = randomBytes(20);
  return `|1|${salt.toString("base64")}|${createHmac("sha1", salt).update(name).digest("base64")}`;
}

/** The line by which a known_hosts file says that `name` has `key`. */
export const knownHostsLine = (name: string, key: Buffer): string =>
  `${name} ${keyType(key)} ${key.toString("base64")}`;

/** `ED25519 SHA256:…`, as OpenSSH prints it. */
export const fingerprint = (key: Buffer): string => `${typeLabel(keyType(key))} ${sha256(key)}`;

/** The type that stands at the front of every key as sent over the wire. */
export const keyType = (key: Buffer): string => key.toString("latin1", 4, 4 + key.readUInt32BE(0));

export const typeLabel = (type: string): string =>
  type.startsWith("ecdsa-") ? "ECDSA" : (type.replace(/^(sk-)?ssh-/, "").split("@")[0] ?? type).toUpperCase();

const sha256 = (key: Buffer): string =>
  `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;

/** How a known key is named in messages: where it stands and what it is. */
export const describeKnown = ({ file, line, key }: KnownKey): string =>
  `${file}:${line} has ${fingerprint(Buffer.from(key, "base64"))}`;

/** The commands that make OpenSSH forget these keys. */
export const forgetCommands = (known: readonly KnownKey[]): string[] => [
  ...new Set(known.map(({ file, name }) => `ssh-keygen -f ${shellQuote(file)} -R ${shellQuote(name)}`)),
];
