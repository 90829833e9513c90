import type { Progress } from "../../model/events";
import type { Asker } from "../../model/hop";
import type { SshConfig } from "./_config";
import {
  describeKnown,
  fingerprint,
  type KnownHost,
  keyType,
  knownHostsLine,
  removeCommands,
} from "./_known-hosts";

/** Verifies the host key. Accepts nothing without the consent of the user, given in a file, an option or an answer. */
export class HostKeyCheck {
  /** The reason, if the key was refused. */
  refusal: string | undefined;
  #accepted: Buffer | undefined;
  #toRecord: Buffer | undefined;

  constructor(
    private readonly config: SshConfig,
    private readonly known: KnownHost,
    private readonly ask: Asker | undefined,
    private readonly progress: (event: Progress) => void,
  ) {}

  /** Called again at each rekeying, when the key must be the same. */
  async accepts(key: Buffer): Promise<boolean> {
    if (this.#accepted) return this.#accepted.equals(key);
    const verdict = this.known.judge(key);
    if (verdict.kind === "revoked") {
      this.refusal = `the host key of ${this.#host} is revoked: ${fingerprint(key)} is marked @revoked at ${verdict.known.map(({ file, line }) => `${file}:${line}`).join(", ")}`;
    } else if (verdict.kind === "changed") {
      this.refusal = [
        `the host key of ${this.#host} has changed: it is ${fingerprint(key)}, but ${verdict.known.map(describeKnown).join(" and ")}`,
        "someone may be intercepting the connection, or the machine was reinstalled",
        `if you expected this, remove the old key with \`${removeCommands(verdict.known).join("; ")}\` and deploy again`,
      ].join("; ");
    } else if (verdict.kind === "unknown") {
      await this.#decide(key);
    }
    if (this.refusal === undefined) this.#accepted = key;
    return this.refusal === undefined;
  }

  /** Saves a newly accepted key. Call when the host has proved that it owns the key. */
  async record(): Promise<void> {
    const key = this.#toRecord;
    if (!key) return;
    this.#toRecord = undefined;
    try {
      const file = await this.known.record(key, this.config);
      if (file) this.#notice(`added the host key of ${this.known.name} to ${file}: ${fingerprint(key)}`);
    } catch (error) {
      this.#notice(`cannot save the host key of ${this.known.name}: ${(error as Error).message}`);
    }
  }

  async #decide(key: Buffer): Promise<void> {
    const strict = this.config.value("stricthostkeychecking") ?? "ask";
    if (strict === "accept-new") {
      this.#toRecord = key;
    } else if (["no", "off", "false"].includes(strict)) {
      this.#notice(
        `StrictHostKeyChecking is off: accepting the unknown host key of ${this.#host} without verification: ${fingerprint(key)}`,
      );
      this.#toRecord = key;
    } else if (["yes", "true"].includes(strict)) {
      this.refusal = `the ${this.#unknown(key)}, and StrictHostKeyChecking is on; ${this.#remedy(key)}`;
    } else if (!this.ask) {
      this.refusal = `the ${this.#unknown(key)}, and there is no terminal to ask on; ${this.#remedy(key)}`;
    } else if (await this.ask.confirm(`The ${this.#unknown(key)}. Trust and remember this key?`)) {
      this.#toRecord = key;
    } else {
      this.refusal = `the unknown host key of ${this.#host} was declined: ${fingerprint(key)}`;
    }
  }

  #unknown(key: Buffer): string {
    return `host key of ${this.#host} is unknown: ${fingerprint(key)}`;
  }

  #remedy(key: Buffer): string {
    const [file = "~/.ssh/known_hosts"] = this.config.knownHostsFiles("userknownhostsfile");
    const kind = keyType(key).replace(/^ssh-/, "").replace(/-.*/, "");
    return [
      `compare it with the output of \`ssh-keygen -lf /etc/ssh/ssh_host_${kind}_key.pub\` on the host`,
      `then add this line to ${file}: ${knownHostsLine(this.known.name, key)}`,
    ].join(", ");
  }

  get #host(): string {
    const { address, port } = this.config;
    const endpoint = port === 22 ? address : `${address} port ${port}`;
    const { name } = this.known;
    return name === address || name === `[${address}]:${port}` ? endpoint : `${name} (${endpoint})`;
  }

  #notice(text: string): void {
    this.progress({ kind: "notice", text });
  }
}
