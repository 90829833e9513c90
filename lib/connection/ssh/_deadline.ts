import { type Asker, type AskOptions, askingAround } from "../../model/asker";

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

  /** Whether a question of `pausing` is unanswered. */
  get asking(): boolean {
    return this.#asking > 0;
  }

  /** Wraps `ask` so that its questions pause the time limit. They are withdrawn when `moot` or `outer` is aborted. */
  pausing(ask: Asker | undefined, moot = this.signal): Asker | undefined {
    const signal = AbortSignal.any([moot, this.signal]);
    return ask && askingAround(ask, (question) => this.#pausedFor(() => question({ signal })));
  }

  async #pausedFor<T>(question: (options?: AskOptions) => Promise<T>): Promise<T> {
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
