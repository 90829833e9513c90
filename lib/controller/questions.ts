import { type Asker, askingAround } from "../model/asker";
import type { Cancellation } from "../model/cancellation";
import { session } from "./session";

/** The questions of one deployment of one host. */
export class Questions {
  #open = 0;
  #since = 0;
  #waited = 0;

  constructor(private readonly cancellation: Cancellation) {}

  /** The time for which the deployment has waited for the user, in milliseconds. */
  get waited(): number {
    return this.#waited + (this.#open > 0 ? performance.now() - this.#since : 0);
  }

  /** Asks at the terminal of the session, if it has one. Rejects with `Cancelled` once the deployment is stopped. */
  get ask(): Asker | undefined {
    const { ask } = session;
    if (!ask) return undefined;
    return askingAround(ask, async (question) => {
      this.cancellation.throwIfRequested();
      if (this.#open++ === 0) this.#since = performance.now();
      try {
        return await question({ signal: this.cancellation.signal });
      } finally {
        if (--this.#open === 0) this.#waited += performance.now() - this.#since;
      }
    });
  }
}
