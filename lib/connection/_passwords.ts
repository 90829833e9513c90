import { setMaxListeners } from "node:events";
import { Cancelled } from "../model/errors";
import type { Asker } from "../model/hop";

/** How often a person is asked for one password. */
const MOST_QUESTIONS = 3;

/** What the person at one terminal has typed in this session, by what it is for. It is nowhere but in this memory. */
const memories = new WeakMap<Asker, Map<string, Promise<string | undefined>>>();

/** The password for one use of it: known, or asked for. Those that need the same one at once ask once. */
export class Password {
  /** What was given last. */
  #given: string | undefined;
  #questions = 0;
  #outcome: "none" | "declined" | "wrong" = "none";

  constructor(
    private readonly ask: Asker,
    /** Names the password. */
    private readonly key: string,
    private readonly question: string,
    private readonly signal: AbortSignal,
  ) {}

  /** Why there is none to be had any more. */
  get outcome(): "none" | "declined" | "wrong" {
    return this.#outcome;
  }

  /** The next one to try: what was given before was wrong. Undefined when the person declines, or was asked often enough. */
  async next(): Promise<string | undefined> {
    const memory = memories.get(this.ask) ?? new Map<string, Promise<string | undefined>>();
    memories.set(this.ask, memory);
    let known = memory.get(this.key);
    if (known && (await known) === this.#given && this.#given !== undefined) {
      // Unless somebody else has asked again meanwhile.
      if (memory.get(this.key) === known) memory.delete(this.key);
      known = memory.get(this.key);
    }
    if (!known) {
      if (this.#questions === MOST_QUESTIONS) {
        this.#outcome = "wrong";
        return undefined;
      }
      const again = this.#given === undefined ? "" : "That was wrong. ";
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

  /** The one that was right. */
  get right(): string | undefined {
    return this.#given;
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Cancelled("cancelled: nobody waits for the password any more"));
    if (signal.aborted) return abort();
    setMaxListeners(0, signal);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
