import type { NodeSSH as NodeSshClient } from "node-ssh";
import type { BaseAgent, Client, ClientChannel, OpenSSHAgent, ParsedKey } from "ssh2";

export type { Client, ClientChannel, ParsedKey };

/** The parts of node-ssh, and of ssh2 below it, that are used here. Only this file imports them. Loading takes 50 ms. */
export interface SshLibrary {
  readonly NodeSSH: typeof NodeSshClient;
  readonly BaseAgent: typeof BaseAgent<ParsedKey>;
  readonly OpenSSHAgent: typeof OpenSSHAgent;
  /** Returns an error instead of throwing it. */
  parseKey(data: string | Buffer, passphrase?: string): ParsedKey | Error;
}

let loaded: SshLibrary | undefined;

export function sshLibrary(): SshLibrary {
  if (!loaded) {
    const { NodeSSH } = require("node-ssh") as typeof import("node-ssh");
    const { BaseAgent, OpenSSHAgent, utils } = require("ssh2") as typeof import("ssh2");
    loaded = {
      NodeSSH,
      BaseAgent: BaseAgent as SshLibrary["BaseAgent"],
      OpenSSHAgent,
      parseKey: (data, passphrase) => utils.parseKey(data, passphrase),
    };
  }
  return loaded;
}

/** The algorithms of ssh2 in its own order, best first: without native code some ciphers are far slower than others. */
export const negotiable = {
  kex: [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group15-sha512",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group17-sha512",
    "diffie-hellman-group18-sha512",
  ],
  cipher: [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "chacha20-poly1305@openssh.com",
  ],
  hmac: [
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha1",
  ],
  serverHostKey: [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-rsa",
  ],
} as const;

/** The types of private keys that ssh2 can use, from a file or an agent. */
export const usableKeyTypes: readonly string[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "ssh-rsa",
  "ssh-dss",
];
