import { readFile, stat } from "node:fs/promises";
import type { Asker } from "../../model/hop";
import { run, type SshConfig } from "./_config";
import { fingerprint, keyType } from "./_known-hosts";
import { type ParsedKey, sshLibrary } from "./_library";

/** A key that can be offered to a host. */
export interface OfferedKey {
  /** Names the key and its origin in messages. */
  readonly label: string;
  /** The public part as sent over the wire; undefined when it is encrypted too. */
  readonly publicKey: Buffer | undefined;
  /** Returns undefined, after adding the reason to `refusals`, when the key cannot sign. */
  sign(data: Buffer, hash: string | undefined, ask: Asker | undefined): Promise<Buffer | undefined>;
  /** Decrypts the key and returns its public part, where `publicKey` is undefined. */
  unlock?(ask: Asker | undefined): Promise<Buffer | undefined>;
  /** Why the key could not sign. */
  readonly refusals: string[];
}

/** The user's login keys. */
export interface Keys {
  /** In the order of OpenSSH. */
  readonly offered: readonly OfferedKey[];
  /** Keys that only the system's ssh can use: certificates and hardware keys. */
  readonly opensshOnly: readonly string[];
  /** Why other keys are missing: an agent that does not answer, a file that cannot be read. */
  readonly problems: readonly string[];
}

/** Reads the agent and the key files of `config`, without asking the user. */
export async function keysFor(config: SshConfig, signal: AbortSignal): Promise<Keys> {
  const problems: string[] = [];
  const [agentKeys, fileKeys] = await Promise.all([
    agentKeysOf(config, problems, signal),
    Promise.all(config.files("identityfile").map((file) => fileKey(file, config, problems))),
  ]);
  const files = fileKeys.filter((key) => key !== undefined);
  const named = new Set(files.map(({ publicKey }) => publicKey?.toString("base64")));
  const isNamed = (key: AgentKey) => named.has(key.publicKey.toString("base64"));
  const fromAgent = config.isOn("identitiesonly")
    ? agentKeys.filter(isNamed)
    : [...agentKeys.filter(isNamed), ...agentKeys.filter((key) => !isNamed(key))];
  const held = new Set(fromAgent.map(({ publicKey }) => publicKey.toString("base64")));
  const own = files.filter((key) => key.hasPrivate && !held.has(key.publicKey?.toString("base64") ?? ""));
  const opensshOnly = [...fromAgent, ...own].filter((key) => key.opensshOnly).map(({ label }) => label);
  return { offered: [...fromAgent, ...own].filter((key) => !key.opensshOnly), opensshOnly, problems };
}

interface AgentKey extends OfferedKey {
  readonly publicKey: Buffer;
  readonly opensshOnly: boolean;
}

/** Uses `ssh-add -L`, which lists all keys: ssh2 omits those it cannot use, which decide the transport. */
async function agentKeysOf(config: SshConfig, problems: string[], signal: AbortSignal): Promise<AgentKey[]> {
  const socket = config.agentSocket;
  if (socket === undefined) return [];
  try {
    const printed = await run("ssh-add", ["-L"], signal, { ...process.env, SSH_AUTH_SOCK: socket });
    return printed
      .split("\n")
      .map((line) => agentKey(line, socket))
      .filter((key) => key !== undefined);
  } catch (error) {
    // Exit code 1: the agent answers, and has no keys.
    if ((error as { code?: unknown }).code !== 1) problems.push(`the ssh agent at ${socket} does not answer`);
    return [];
  }
}

function agentKey(line: string, socket: string): AgentKey | undefined {
  const [, type, base64, comment = ""] = /^(\S+) ([A-Za-z0-9+/=]+)(?: (.*))?$/.exec(line) ?? [];
  if (type === undefined || base64 === undefined) return undefined;
  const publicKey = Buffer.from(base64, "base64");
  const label = `${fingerprint(publicKey)} from the agent${comment && ` (${comment})`}`;
  const refusals: string[] = [];
  return {
    label,
    publicKey,
    opensshOnly: needsOpenssh(type),
    refusals,
    sign: (data, hash) =>
      new Promise((resolve) => {
        const { OpenSSHAgent, parseKey } = sshLibrary();
        const parsed = parseKey(`${type} ${base64}`);
        if (parsed instanceof Error) return resolve(undefined);
        // Only RSA has a choice of hashes.
        const options = hash === "sha256" || hash === "sha512" ? { hash } : {};
        new OpenSSHAgent(socket).sign(parsed, data, options as object, (error, signature) => {
          if (error) refusals.push("the agent refused to sign");
          resolve(error ? undefined : toBuffer(signature));
        });
      }),
  };
}

const toBuffer = (signature: unknown): Buffer | undefined =>
  Buffer.isBuffer(signature) ? signature : undefined;

const needsOpenssh = (type: string): boolean => type.includes("-cert-v01@") || type.startsWith("sk-");

interface FileKey extends OfferedKey {
  readonly hasPrivate: boolean;
  readonly opensshOnly: boolean;
}

async function fileKey(file: string, config: SshConfig, problems: string[]): Promise<FileKey | undefined> {
  const [text, publicText, certificate] = await Promise.all([
    readFile(file).catch((error: NodeJS.ErrnoException) => {
      // Files from the configuration need not exist; one named in the consfig must.
      if (error.code !== "ENOENT" || config.destination.identity !== undefined) {
        problems.push(`cannot read ${file}: ${error.code}`);
      }
      return undefined;
    }),
    readFile(`${file}.pub`, "latin1").catch(() => undefined),
    stat(`${file}-cert.pub`).then(
      () => true,
      () => false,
    ),
  ]);
  if (text === undefined && publicText === undefined) return undefined;
  const { parseKey } = sshLibrary();
  const parsed = text === undefined ? undefined : parseKey(text);
  const privateKey = parsed && !(parsed instanceof Error) && parsed.isPrivateKey() ? parsed : undefined;
  const shown = publicText ?? text?.toString("latin1") ?? "";
  const publicKey = privateKey?.getPublicSSH() ?? (text && publicPartOf(text)) ?? publicWordOf(shown);
  const hasPrivate = text?.includes("PRIVATE KEY") === true;
  const opensshOnly = certificate || (publicKey !== undefined && needsOpenssh(keyType(publicKey)));
  return new PrivateKeyFile(file, publicKey, hasPrivate, opensshOnly, privateKey);
}

/** Keys decrypted in this session: each passphrase is asked for once, even if several hosts need it at the same time. */
const unlocked = new Map<string, Promise<ParsedKey | undefined>>();

/** How often the user is asked for one passphrase. */
const MAX_ATTEMPTS = 3;

class PrivateKeyFile implements FileKey {
  readonly refusals: string[] = [];

  constructor(
    private readonly file: string,
    readonly publicKey: Buffer | undefined,
    readonly hasPrivate: boolean,
    readonly opensshOnly: boolean,
    /** The private part, when it is not encrypted. */
    private readonly plain: ParsedKey | undefined,
  ) {}

  get label(): string {
    return `${this.publicKey ? `${fingerprint(this.publicKey)} from ` : ""}${this.file}`;
  }

  async sign(data: Buffer, hash: string | undefined, ask: Asker | undefined): Promise<Buffer | undefined> {
    return (await this.#privateKey(ask))?.sign(data, hash);
  }

  async unlock(ask: Asker | undefined): Promise<Buffer | undefined> {
    return (await this.#privateKey(ask))?.getPublicSSH();
  }

  async #privateKey(ask: Asker | undefined): Promise<ParsedKey | undefined> {
    if (this.plain) return this.plain;
    if (this.refusals.length > 0) return undefined;
    const id = `${this.file} ${this.publicKey?.toString("base64")}`;
    const asked = unlocked.get(id);
    const pending = asked ?? this.#decrypt(ask);
    unlocked.set(id, pending);
    let key: ParsedKey | undefined;
    try {
      key = await pending;
    } catch (error) {
      if (unlocked.get(id) === pending) unlocked.delete(id);
      // The connection for which the passphrase was asked is gone; this one still needs it.
      if (asked) return this.#privateKey(ask);
      throw error;
    }
    // The next deployment asks again.
    if (!key) unlocked.delete(id);
    if (!key && this.refusals.length === 0) this.refusals.push("no passphrase entered");
    return key;
  }

  async #decrypt(ask: Asker | undefined): Promise<ParsedKey | undefined> {
    if (!ask) {
      this.refusals.push(
        "it is encrypted, and there is no terminal to ask for its passphrase: add it to an agent with ssh-add",
      );
      return undefined;
    }
    const text = await readFile(this.file);
    let again = "";
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const passphrase = await ask.secret(`${again}Passphrase for the key ${this.file}:`);
      if (passphrase === undefined) return undefined;
      const key = sshLibrary().parseKey(text, passphrase);
      if (!(key instanceof Error)) return key;
      again = "Wrong passphrase, try again. ";
    }
    this.refusals.push(`${MAX_ATTEMPTS} wrong passphrases`);
    return undefined;
  }
}

/** The public part, which OpenSSH's own format stores unencrypted beside the private part. */
function publicPartOf(text: Buffer): Buffer | undefined {
  const base64 = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(
    text.toString("latin1"),
  )?.[1];
  if (base64 === undefined) return undefined;
  const data = Buffer.from(base64, "base64");
  let at = "openssh-key-v1\0".length;
  const next = (): Buffer => {
    const length = data.readUInt32BE(at);
    at += 4 + length;
    return data.subarray(at - length, at);
  };
  try {
    // Cipher, key derivation and its options, the number of keys, then the first public key.
    next();
    next();
    next();
    at += 4;
    return Buffer.from(next());
  } catch {
    return undefined;
  }
}

/** The key of a public key file. */
function publicWordOf(text: string): Buffer | undefined {
  const base64 = /^(?:ssh-|ecdsa-|sk-)\S+ ([A-Za-z0-9+/=]+)/.exec(text)?.[1];
  return base64 === undefined ? undefined : Buffer.from(base64, "base64");
}
