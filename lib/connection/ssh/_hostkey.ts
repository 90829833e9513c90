import type { Progress } from "../../model/events";
import type { Asker } from "../../model/hop";
import type { SshConfig } from "./_config";
import {
  describeKnown,
  fingerprint,
  forgetCommands,
  type KnownHost,
  keyType,
  knownHostsLine,
} from "./_known";

/** Decides whether the host is the one we mean. Nothing is accepted that the user has not said yes to. */
export class HostKeyCheck {
  /** Why the key was refused, once it was. */
  refusal: string | undefined;
  #accepted: Buffer | undefined;
  #toRecord: Buffer | undefined;

  constructor(
    private readonly config: SshConfig,
    private readonly known: KnownHost,
    private readonly ask: Asker | undefined,
    private readonly progress: (event: Progress) => void,
  ) {}

  /** Called again at each renewal of the session's keys, when it must be the same key. */
  async accepts(key: Buffer): Promise<boolean> {
    if (this.#accepted) return this.#accepted.equals(key);
    const verdict = this.known.judge(key);
    if (verdict.kind === "revoked") {
      this.refusal = `the host key of ${this.#host} is revoked: ${verdict.known.map(({ file, line }) => `${file}:${line}`).join(", ")} says that nothing with the key ${fingerprint(key)} is to be trusted`;
    } else if (verdict.kind === "changed") {
      this.refusal = [
        `the host key of ${this.#host} has changed: it is ${fingerprint(key)}, but ${verdict.known.map(describeKnown).join(" and ")}`,
        "somebody may be listening in, or the machine was installed anew",
        `if you know why, forget the old key with \`${forgetCommands(verdict.known).join("; ")}\` and deploy again`,
      ].join("; ");
    } else if (verdict.kind === "unknown") {
      await this.#decide(key);
    }
    if (this.refusal === undefined) this.#accepted = key;
    return this.refusal === undefined;
  }

  /** Writes down a key newly accepted. To be called when the host has proved that the key is its own. */
  async record(): Promise<void> {
    const key = this.#toRecord;
    if (!key) return;
    this.#toRecord = undefined;
    try {
      const file = await this.known.record(key, this.config);
      if (file) this.#notice(`the host key of ${this.known.name} was added to ${file}: ${fingerprint(key)}`);
    } catch (error) {
      this.#notice(`the host key of ${this.known.name} could not be recorded: ${(error as Error).message}`);
    }
  }

  async #decide(key: Buffer): Promise<void> {
    const strict = this.config.value("stricthostkeychecking") ?? "ask";
    if (strict === "accept-new") {
      this.#toRecord = key;
    } else if (["no", "off", "false"].includes(strict)) {
      this.#notice(
        `StrictHostKeyChecking is off: the unknown host key of ${this.#host} is accepted unseen: ${fingerprint(key)}`,
      );
      this.#toRecord = key;
    } else if (["yes", "true"].includes(strict)) {
      this.refusal = `${this.#unknown(key)}, and StrictHostKeyChecking is on; ${this.#remedy(key)}`;
    } else if (!this.ask) {
      this.refusal = `${this.#unknown(key)}, and nobody is here to be asked; ${this.#remedy(key)}`;
    } else if (
      await this.ask.confirm(`${this.#unknown(key)}. Is it the right one, and is it to be remembered?`)
    ) {
      this.#toRecord = key;
    } else {
      this.refusal = `the unknown host key of ${this.#host} was declined: ${fingerprint(key)}`;
    }
  }

  #unknown(key: Buffer): string {
    return `the host key of ${this.#host} is not known: ${fingerprint(key)}`;
  }

  #remedy(key: Buffer): string {
    const [file = "~/.ssh/known_hosts"] = this.config.knownHostsFiles("userknownhostsfile");
    const kind = keyType(key).replace(/^ssh-/, "").replace(/-.*/, "");
    return [
      `compare it with what \`ssh-keygen -lf /etc/ssh/ssh_host_${kind}_key.pub\` prints on the host`,
      `then add this line to ${file}: ${knownHostsLine(this.known.name, key)}`,
    ].join(", ");
  }

  get #host(): string {
    const { address, port } = this.config;
    const place = port === 22 ? address : `${address} port ${port}`;
    const { name } = this.known;
    return name === address || name === `[${address}]:${port}` ? place : `${name} (${place})`;
  }

  #notice(text: string): void {
    this.progress({ kind: "notice", text });
  }
}
