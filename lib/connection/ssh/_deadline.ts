import type { Asker } from "../../model/hop";

/** A time limit that is paused while the user is asked. */
export class Deadline {
  readonly #controller = new AbortController();
  /** Aborted when the time is up, or when `outer` is aborted. */
  readonly signal: AbortSignal;
  #left: number;
  #started = 0;
  #asking = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly seconds: number,
    outer: AbortSignal,
  ) {
    this.#left = seconds * 1000;
    this.signal = AbortSignal.any([outer, this.#controller.signal]);
    this.#run();
  }

  get passed(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Call when the limited operation has finished. */
  end(): void {
    clearTimeout(this.#timer);
  }

  /** Wraps `ask` so that its questions pause the time limit. */
  pausing(ask: Asker | undefined): Asker | undefined {
    if (!ask) return undefined;
    return {
      secret: (question) => this.#pausedFor(() => ask.secret(question)),
      confirm: (question) => this.#pausedFor(() => ask.confirm(question)),
    };
  }

  async #pausedFor<T>(question: () => Promise<T>): Promise<T> {
    if (this.#asking++ === 0) {
      clearTimeout(this.#timer);
      this.#left -= Date.now() - this.#started;
    }
    try {
      return await question();
    } finally {
      if (--this.#asking === 0) this.#run();
    }
  }

  #run(): void {
    this.#started = Date.now();
    this.#timer = setTimeout(() => this.#controller.abort(), Math.max(0, this.#left));
  }
}
