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

/** Passwords that hosts accepted in this session, by `user@address:port`. */
const passwords = new Map<string, string>();

/**
 * Logs in with every key, then with a password or keyboard-interactive. The user is asked for the passphrase of a key
 * only after the host has accepted its public part.
 */
export class Authentication {
  /** The keys and methods tried, for the message of a failure. */
  readonly tried: string[] = [];
  readonly #skipped: string[] = [];
  /** True when nothing is left to try. */
  exhausted = false;
  /** The methods that the host accepts, as soon as it has sent them. */
  methods: readonly string[] = [];
  readonly #keys: OfferedKey[];
  #askedMethods = false;
  #prompts = 0;
  #password: string | undefined;

  constructor(
    private readonly config: SshConfig,
    private readonly keys: Keys,
    private readonly ask: Asker | undefined,
    /** Aborts the attempt. */
    private readonly giveUp: () => void,
  ) {
    this.#keys = config.value("pubkeyauthentication") === "no" ? [] : [...keys.offered];
  }

  /** Call after a successful login. */
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
    while (this.#accepts("publickey")) {
      const key = this.#keys.shift();
      if (!key) break;
      const publicKey = key.publicKey ?? (await key.unlock?.(this.ask));
      this.tried.push(key.label);
      if (publicKey) return { type: "agent", username, agent: this.#agentOf(key, publicKey) };
    }
    // Without a key to offer first, ask the host which methods it accepts.
    if (this.methods.length === 0 && !this.#askedMethods) {
      this.#askedMethods = true;
      return { type: "none", username };
    }
    return this.#typedMethod(username);
  }

  #accepts(method: string): boolean {
    return this.methods.length === 0 || this.methods.includes(method);
  }

  /** ssh2 requests a signature from an agent only after the host has accepted the key: so each key poses as an agent. */
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
        // An error would abort the login; after an invalid signature, the next key is tried.
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
      this.#skipped.push("no terminal to ask for a password");
      return undefined;
    }
    if (this.#prompts++ >= Number(config.value("numberofpasswordprompts") ?? 3)) return undefined;
    const again = this.#prompts > 1 ? "Wrong password, try again. " : "";
    const typed = async (question: string) => {
      const answer = remembered ?? (await ask?.secret(again + question));
      if (answer === undefined) this.#skipped.push("no password was entered");
      else if (!this.tried.includes("password")) this.tried.push("password");
      return answer;
    };
    if (!interactive) {
      const answer = await typed(`Password for ${this.#account}:`);
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
      // Only a single answer is a password; among several there may be one-time codes.
      if (answers.length === 1) this.#password = answers[0];
      finish(answers);
    };
    return { type: "keyboard-interactive", username, prompt };
  }

  get #account(): string {
    const { user, address, port } = this.config;
    return `${user}@${address}${port === 22 ? "" : `:${port}`}`;
  }

  /** The keys and methods tried, and those that the host accepts. */
  report(): string {
    const refusals = this.keys.offered.flatMap(({ label, refusals }) =>
      refusals.map((refusal) => `${label}: ${refusal}`),
    );
    const tried = this.tried.filter((label) => !refusals.some((refusal) => refusal.startsWith(`${label}: `)));
    const parts = [
      tried.length + refusals.length > 0 ? `tried: ${[...tried, ...refusals].join("; ")}` : "no key to try",
      ...this.#skipped,
      ...this.keys.problems,
      ...(this.methods.length > 0 ? [`the host accepts: ${this.methods.join(", ")}`] : []),
    ];
    return parts.join("; ");
  }
}
