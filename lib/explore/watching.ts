import { type AnyWatch, session } from "../controller/session";
import type { Row } from "../model/rows";
import type { Seen } from "../model/seen";

/** Begins to watch: calls `see` with what is seen, until `signal` aborts. */
export type Begin<R> = (see: (seen: Seen<R>) => void, signal: AbortSignal) => Promise<void>;

/** What is seen but not yet taken by a loop; the oldest is left out. */
const MOST_WAITING = 10_000;

/**
 * Something that is watched, until it is stopped: at the prompt with Ctrl-C, in a program by leaving the loop
 * `for await (const seen of watch)`. Nothing of it stays on a host.
 */
export class Watch<R extends Row> implements AnyWatch, AsyncIterable<Seen<R>>, PromiseLike<undefined> {
  readonly #listeners = new Set<(seen: Seen<R>) => void>();
  readonly #abort = new AbortController();
  readonly #over: Promise<undefined>;

  /** `silent`: whoever began it shows what is seen, nobody else. */
  constructor(
    begin: Begin<R>,
    readonly silent = false,
  ) {
    // Asynchronously, so that the caller can subscribe first.
    this.#over = Promise.resolve()
      .then(async () => {
        await begin((seen) => this.#see(seen), this.#abort.signal);
        return undefined;
      })
      .finally(() => {
        this.#abort.abort();
        session.watches.delete(this);
      });
    this.#over.catch(() => {});
    session.beginWatch(this);
  }

  /** True once it was stopped, or has ended. */
  get stopped(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Ends it. */
  stop(): void {
    this.#abort.abort();
  }

  /** Calls `listener` with what is seen from now on. Returns a function that unsubscribes. */
  subscribe(listener: (seen: Seen<R>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Makes it awaitable: it resolves when it has ended, and nothing of it is left on the hosts. */
  then<A = undefined, B = never>(
    done?: ((result: undefined) => A | PromiseLike<A>) | null,
    failed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#over.then(done, failed);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Seen<R>, void, undefined> {
    const waiting: Seen<R>[] = [];
    let wake = () => {};
    const unsubscribe = this.subscribe((seen) => {
      waiting.push(seen);
      if (waiting.length > MOST_WAITING) waiting.shift();
      wake();
    });
    const over = this.#over.then(() => true as const);
    try {
      for (;;) {
        const next = waiting.shift();
        if (next) {
          yield next;
          continue;
        }
        const woken = new Promise<false>((resolve) => {
          wake = () => resolve(false);
        });
        if ((await Promise.race([over, woken])) && waiting.length === 0) return;
      }
    } finally {
      unsubscribe();
      this.stop();
      await this.#over.catch(() => {});
    }
  }

  #see(seen: Seen<R>): void {
    for (const listener of this.#listeners) listener(seen);
  }
}
