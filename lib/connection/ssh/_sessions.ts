import { setTimeout as pause } from "node:timers/promises";

/** A host may still count sessions that have already ended here: retries while no other session is open. */
const MAX_RETRIES = 5;
const RETRY_DELAY_MS = 50;

/** The sessions open over one connection. Hosts limit their number (MaxSessions of sshd: 10). */
export class Sessions {
  #open = 0;
  /** Of these, the ones that serve the others, and do not end before them. */
  #lasting = 0;
  readonly #waiting: (() => void)[] = [];

  /** Calls `begin`, and again after another session has ended while it fails with `isRefusal`; a few times without others. */
  async start<T>(
    begin: () => Promise<T>,
    isRefusal: (error: unknown) => boolean,
    lasting = false,
  ): Promise<T> {
    for (let retries = 0; ; ) {
      this.#open++;
      if (lasting) this.#lasting++;
      try {
        return await begin();
      } catch (error) {
        this.ended(lasting);
        if (!isRefusal(error)) throw error;
        // If the other sessions have ended in the meantime, `ended` will not wake this one.
        if (this.#open > this.#lasting) await new Promise<void>((wake) => this.#waiting.push(wake));
        else if (++retries === MAX_RETRIES) throw error;
        else await pause(RETRY_DELAY_MS);
      }
    }
  }

  /** Call when a started session has ended. */
  ended(lasting = false): void {
    this.#open--;
    if (lasting) this.#lasting--;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
