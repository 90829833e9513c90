/** Counts possible changes within one application, and adds them to those of the applications around it. */
export class ChangeCounter {
  #certain = 0;
  readonly #uncertain = new Set<number>();

  constructor(private readonly around?: ChangeCounter) {}

  get any(): boolean {
    return this.#certain > 0 || this.#uncertain.size > 0;
  }

  /** Whether something certainly changes. */
  get certain(): boolean {
    return this.#certain > 0;
  }

  /** In a plan: the steps that may change something, while no step certainly does. */
  get uncertain(): ReadonlySet<number> {
    return this.#certain > 0 ? NONE : this.#uncertain;
  }

  add(): void {
    this.#certain += 1;
    this.around?.add();
  }

  /** In a plan: whether `step` changes something is not certain. */
  addUncertain(step: number): void {
    this.#uncertain.add(step);
    this.around?.addUncertain(step);
  }
}

const NONE: ReadonlySet<number> = new Set();
