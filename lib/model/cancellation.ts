import { Cancelled } from "./errors";
import { type JobSignal, stoppedBy } from "./job";

/** Stops one deployment in every process that takes part in it: this one, its workers, and agents on other hosts. */
export class Cancellation {
  readonly #abort = new AbortController();
  readonly #receivers = new Set<(signal: JobSignal) => void>();
  #reason: string | undefined;

  /** Why no further step may start; undefined while they may. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Aborted with a `Cancelled` when the running step must end too. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  request(signal: JobSignal): void {
    this.#reason ??= stoppedBy(signal);
    for (const receive of this.#receivers) receive(signal);
    if (signal === "cancel") this.#abort.abort(new Cancelled(stoppedBy(signal)));
  }

  /** Throws `Cancelled` once the deployment has been stopped or cancelled. */
  throwIfRequested(): void {
    if (this.#reason !== undefined) throw new Cancelled(this.#reason);
  }

  /** Resolves to the result of `work`; passes each request made while it runs to `receive`. */
  async forwarding<T>(receive: (signal: JobSignal) => void, work: () => Promise<T>): Promise<T> {
    this.#receivers.add(receive);
    try {
      return await work();
    } finally {
      this.#receivers.delete(receive);
    }
  }

  /** The result of `work`. Rejects with `Cancelled` when the deployment is stopped or cancelled before. */
  async unlessRequested<T>(work: Promise<T>): Promise<T> {
    const requested = Promise.withResolvers<never>();
    const stop = () => requested.reject(new Cancelled(this.#reason ?? ""));
    if (this.#reason !== undefined) stop();
    return this.forwarding(stop, () => Promise.race([work, requested.promise]));
  }
}
