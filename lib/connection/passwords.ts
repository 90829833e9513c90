import { type Asker, terminalOf, unlessWithdrawn } from "../model/asker";
import type { GivenPassword, PasswordRequest } from "../model/questions";

/** How often the user is asked for one password. */
const MAX_QUESTIONS = 3;

interface Remembered {
  readonly number: number;
  readonly password: Promise<string | undefined>;
}

/** The passwords typed at each terminal in this session, by key. They are kept in memory only. */
const memories = new WeakMap<object, Map<string, Remembered>>();
let last = 0;

/** Forgets the passwords that were typed in this session. Returns their number. */
export function forgetPasswords(terminal: object): number {
  const count = memories.get(terminal)?.size ?? 0;
  memories.delete(terminal);
  return count;
}

/**
 * The password of an account: from memory, unless that one was rejected, else the user is asked. Concurrent requests for
 * one password ask a single question. Undefined when the user declines; rejects with `Cancelled` when `signal` aborts.
 */
export async function passwordFrom(
  ask: Asker,
  request: PasswordRequest,
  signal: AbortSignal,
): Promise<GivenPassword | undefined> {
  if (ask.password) return ask.password(request, { signal });
  const terminal = terminalOf(ask);
  const memory = memories.get(terminal) ?? new Map<string, Remembered>();
  memories.set(terminal, memory);
  const { after } = request;
  for (;;) {
    const known = memory.get(keyOf(request));
    const isKnown = known !== undefined && (after === undefined || known.number > after);
    const { number, password } = isKnown ? known : question(ask, request, memory, signal);
    try {
      const found = await unlessWithdrawn(password, signal);
      return found === undefined ? undefined : { password: found, number, typed: !isKnown };
    } catch (error) {
      // The deployment that asked was stopped; this one still needs the password.
      if (!isKnown || signal.aborted) throw error;
    }
  }
}

/** Asks the user, and remembers the answer. */
function question(
  ask: Asker,
  request: PasswordRequest,
  memory: Map<string, Remembered>,
  signal: AbortSignal,
): Remembered {
  last += 1;
  const again = request.after === undefined ? "" : "Wrong password, try again. ";
  const text = `${again}[${request.hop}] password for ${accountIn(request)}:`;
  const asked = { number: last, password: ask.secret(text, { signal }) };
  const key = keyOf(request);
  memory.set(key, asked);
  const forget = () => void (memory.get(key) === asked && memory.delete(key));
  asked.password.then((password) => password ?? forget(), forget);
  return asked;
}

const keyOf = ({ hop, host, account, credential }: PasswordRequest): string =>
  JSON.stringify(credential === undefined ? [hop, host, account] : [credential]);

/** The account of `request`, for messages. */
export const accountIn = ({ account, host, credential }: PasswordRequest): string =>
  credential === undefined ? `${account} on ${host}` : `${account} (${credential})`;

/** The passwords to try for one use of an account. */
export class Password {
  #given: GivenPassword | undefined;
  #questions = 0;
  #outcome: "none" | "declined" | "wrong" = "none";

  constructor(
    private readonly ask: Asker,
    private readonly request: PasswordRequest,
    private readonly signal: AbortSignal,
  ) {}

  /** Why `next` returned undefined. */
  get outcome(): "none" | "declined" | "wrong" {
    return this.#outcome;
  }

  /** The next password to try, after the previous one was wrong. Undefined when the user declines or is out of attempts. */
  async next(): Promise<string | undefined> {
    if (this.#questions === MAX_QUESTIONS) {
      this.#outcome = "wrong";
      return undefined;
    }
    const after = this.#given && { after: this.#given.number };
    this.#given = await passwordFrom(this.ask, { ...this.request, ...after }, this.signal);
    if (this.#given?.typed) this.#questions += 1;
    if (this.#given === undefined) this.#outcome = "declined";
    return this.#given?.password;
  }

  /** The password that was accepted. */
  get accepted(): string | undefined {
    return this.#given?.password;
  }
}
