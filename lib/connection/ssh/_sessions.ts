import { setTimeout as pause } from "node:timers/promises";

/** A host may count sessions for a moment that are over for us: how often, and after how long, we try alone. */
const MOST_ALONE = 5;
const SHORTLY_MS = 50;

/** The commands that run at a time over one connection. A host allows only so many (MaxSessions of sshd: 10). */
export class Sessions {
  #open = 0;
  readonly #waiting: (() => void)[] = [];

  /** `begin`, again whenever a session has ended, while it fails in a way that `isRefusal`; a few times when it is alone. */
  async start<T>(begin: () => Promise<T>, isRefusal: (error: unknown) => boolean): Promise<T> {
    for (let alone = 0; ; ) {
      this.#open++;
      try {
        return await begin();
      } catch (error) {
        this.ended();
        if (!isRefusal(error)) throw error;
        // Those that were open may have ended meanwhile: then nobody wakes us.
        if (this.#open > 0) await new Promise<void>((wake) => this.#waiting.push(wake));
        else if (++alone === MOST_ALONE) throw error;
        else await pause(SHORTLY_MS);
      }
    }
  }

  /** To be called when a session that was started is over. */
  ended(): void {
    this.#open--;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
