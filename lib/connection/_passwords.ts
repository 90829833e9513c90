import { setMaxListeners } from "node:events";
import { Cancelled } from "../model/errors";
import type { Asker } from "../model/hop";

/** How often the user is asked for one password. */
const MAX_QUESTIONS = 3;

/** The passwords typed at each terminal in this session, by key. They are kept in memory only. */
const memories = new WeakMap<Asker, Map<string, Promise<string | undefined>>>();

/** One use of a password, which is remembered or asked for. Concurrent uses of one key ask a single question. */
export class Password {
  /** The password returned last. */
  #given: string | undefined;
  #questions = 0;
  #outcome: "none" | "declined" | "wrong" = "none";

  constructor(
    private readonly ask: Asker,
    /** Identifies the password. */
    private readonly key: string,
    private readonly question: string,
    private readonly signal: AbortSignal,
  ) {}

  /** Why `next` returned undefined. */
  get outcome(): "none" | "declined" | "wrong" {
    return this.#outcome;
  }

  /** The next password to try, after the previous one was wrong. Undefined when the user declines or is out of attempts. */
  async next(): Promise<string | undefined> {
    const memory = memories.get(this.ask) ?? new Map<string, Promise<string | undefined>>();
    memories.set(this.ask, memory);
    let known = memory.get(this.key);
    if (known && (await known) === this.#given && this.#given !== undefined) {
      // Unless another hop has asked again in the meantime.
      if (memory.get(this.key) === known) memory.delete(this.key);
      known = memory.get(this.key);
    }
    if (!known) {
      if (this.#questions === MAX_QUESTIONS) {
        this.#outcome = "wrong";
        return undefined;
      }
      const again = this.#given === undefined ? "" : "Wrong password, try again. ";
      this.#questions += 1;
      known = unlessAborted(this.ask.secret(again + this.question), this.signal);
      memory.set(this.key, known);
      known.catch(() => memory.delete(this.key));
    }
    this.#given = await known;
    if (this.#given === undefined) {
      this.#outcome = "declined";
      memory.delete(this.key);
    }
    return this.#given;
  }

  /** The password that was accepted. */
  get accepted(): string | undefined {
    return this.#given;
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Cancelled("cancelled: the password is no longer needed"));
    if (signal.aborted) return abort();
    setMaxListeners(0, signal);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
