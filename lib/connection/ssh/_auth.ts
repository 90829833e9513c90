import type {
  AnyAuthMethod,
  AuthenticationType,
  AuthHandlerMiddleware,
  KeyboardInteractiveAuthMethod,
} from "ssh2";
import type { Asker } from "../../model/hop";
import type { SshConfig } from "./_config";
import type { Keys, OfferedKey } from "./_keys";
import { type ParsedKey, sshLibrary } from "./_library";

/** Passwords that a host took in this session, by `user@address:port`. */
const passwords = new Map<string, string>();

/**
 * Logs in: every key, then what the host wants typed. Nobody is asked for a passphrase before the host has said that
 * it would take that key.
 */
export class Authentication {
  /** What was tried and why it failed, for the message. */
  readonly tried: string[] = [];
  /** Nothing is left to try. */
  exhausted = false;
  /** What the host takes, once it has said so. */
  methods: readonly string[] = [];
  readonly #keys: OfferedKey[];
  #asked = false;
  #typed = 0;
  #password: string | undefined;

  constructor(
    private readonly config: SshConfig,
    private readonly keys: Keys,
    private readonly ask: Asker | undefined,
    /** Ends the attempt. */
    private readonly giveUp: () => void,
  ) {
    this.#keys = config.value("pubkeyauthentication") === "no" ? [] : [...keys.offered];
  }

  /** To be called when the host let us in. */
  succeeded(): void {
    if (this.#password !== undefined) passwords.set(this.#account, this.#password);
  }

  readonly handler: AuthHandlerMiddleware = (methods: AuthenticationType[] | null, _partial, next) => {
    if (methods) this.methods = methods;
    this.#next().then(
      (method) => (method ? next(method) : this.#end()),
      () => this.#end(),
    );
  };

  #end(): void {
    this.exhausted = true;
    this.giveUp();
  }

  async #next(): Promise<AnyAuthMethod | undefined> {
    const username = this.config.user;
    while (this.#takes("publickey")) {
      const key = this.#keys.shift();
      if (!key) break;
      const publicKey = key.publicKey ?? (await key.unlock?.(this.ask));
      this.tried.push(key.label);
      if (publicKey) return { type: "agent", username, agent: this.#agentOf(key, publicKey) };
    }
    // Without a key to begin with, the host must be asked what it takes.
    if (this.methods.length === 0 && !this.#asked) {
      this.#asked = true;
      return { type: "none", username };
    }
    return this.#typedMethod(username);
  }

  #takes(method: string): boolean {
    return this.methods.length === 0 || this.methods.includes(method);
  }

  /** ssh2 asks an agent for a signature only when the host would take the key: so each key plays an agent. */
  #agentOf(key: OfferedKey, publicKey: Buffer) {
    const { BaseAgent, parseKey } = sshLibrary();
    const { ask } = this;
    class OneKey extends BaseAgent {
      override getIdentities(done: (error?: Error | null, keys?: ParsedKey[]) => void): void {
        const parsed = parseKey(publicKey);
        done(null, parsed instanceof Error ? [] : [parsed]);
      }
      override sign(_key: ParsedKey, data: Buffer, ...rest: unknown[]): void {
        const done = rest.at(-1) as (error: Error | null, signature: Buffer) => void;
        const { hash } = (rest.length > 1 ? rest[0] : {}) as { hash?: string };
        // An error here would end the whole attempt, a wrong signature only this key's turn.
        key.sign(data, hash, ask).then(
          (signature) => done(null, signature ?? Buffer.alloc(64)),
          (error: Error) => {
            key.refusals.push(error.message);
            done(null, Buffer.alloc(64));
          },
        );
      }
    }
    return new OneKey();
  }

  async #typedMethod(username: string): Promise<AnyAuthMethod | undefined> {
    const { ask, config } = this;
    const interactive =
      this.methods.includes("keyboard-interactive") && config.value("kbdinteractiveauthentication") !== "no";
    const password = this.methods.includes("password") && config.value("passwordauthentication") !== "no";
    if (!interactive && !password) return undefined;
    const remembered = passwords.get(this.#account);
    passwords.delete(this.#account);
    if (!ask && remembered === undefined) {
      this.tried.push("no password, because nobody is here to type it");
      return undefined;
    }
    if (this.#typed++ >= Number(config.value("numberofpasswordprompts") ?? 3)) return undefined;
    if (this.#typed === 1) this.tried.push("a password");
    const again = this.#typed > 1 ? "Not this one. " : "";
    const typed = async (question: string) => remembered ?? (await ask?.secret(again + question));
    if (!interactive) {
      const answer = await typed(`Password of ${this.#account}`);
      if (answer === undefined) return undefined;
      this.#password = answer;
      return { type: "password", username, password: answer };
    }
    const prompt: KeyboardInteractiveAuthMethod["prompt"] = async (
      _name,
      _instructions,
      _language,
      prompts,
      finish,
    ) => {
      const answers: string[] = [];
      for (const { prompt: question } of prompts) {
        const answer = await typed(`${this.#account}: ${question.trim()}`).catch(() => undefined);
        if (answer === undefined) return this.#end();
        answers.push(answer);
      }
      // Only a single answer is a password; of several, some are used up by being said once.
      if (answers.length === 1) this.#password = answers[0];
      finish(answers);
    };
    return { type: "keyboard-interactive", username, prompt };
  }

  get #account(): string {
    const { user, address, port } = this.config;
    return `${user}@${address}${port === 22 ? "" : `:${port}`}`;
  }

  /** All of it, for the message of a failure. */
  report(): string {
    const refusals = this.keys.offered.flatMap(({ label, refusals }) =>
      refusals.map((refusal) => `${label}: ${refusal}`),
    );
    const tried = this.tried.filter((label) => !refusals.some((refusal) => refusal.startsWith(`${label}: `)));
    const parts = [
      tried.length + refusals.length > 0
        ? `tried ${[...tried, ...refusals].join("; ")}`
        : "there was no key to try",
      ...this.keys.problems,
      ...(this.methods.length > 0 ? [`the host takes ${this.methods.join(", ")}`] : []),
    ];
    return parts.join("; ");
  }
}
