import { Cancelled } from "./errors";
import { type JobSignal, stoppedBy } from "./job";

/** Stops one deployment wherever its work is done: in this process, in its workers, on further hosts. */
export class Cancellation {
  readonly #abort = new AbortController();
  readonly #receivers = new Set<(signal: JobSignal) => void>();
  #reason: string | undefined;

  /** Why no further step may start; undefined while they may. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Aborted, with a `Cancelled`, when the running step is to be ended too. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  request(signal: JobSignal): void {
    this.#reason ??= stoppedBy(signal);
    for (const receive of this.#receivers) receive(signal);
    if (signal === "cancel") this.#abort.abort(new Cancelled(stoppedBy(signal)));
  }

  /** Throws `Cancelled` once the deployment was stopped or cancelled. */
  throwIfRequested(): void {
    if (this.#reason !== undefined) throw new Cancelled(this.#reason);
  }

  /** The result of `work`; each request made while it runs is passed on to `receive`. */
  async forwarding<T>(receive: (signal: JobSignal) => void, work: () => Promise<T>): Promise<T> {
    this.#receivers.add(receive);
    try {
      return await work();
    } finally {
      this.#receivers.delete(receive);
    }
  }
}
