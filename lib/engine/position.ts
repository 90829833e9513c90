import type { InProgress } from "../model/job";
import type { ChangeCounter } from "./change-counter";

/** A sequence that is under way, at the application with this index. What is before that is done. */
export class Position {
  #index: number;
  readonly #first: number;
  readonly #started: number;

  /** `step`: its number, if it is one. `resumed`: where it was when it was under way elsewhere. */
  constructor(
    private readonly around: Position | undefined,
    private readonly step: number | undefined,
    private readonly changes: ChangeCounter,
    private readonly resumed?: InProgress,
  ) {
    this.#first = resumed?.index ?? 0;
    this.#index = this.#first;
    this.#started = performance.now() - (resumed?.ms ?? 0);
  }

  /** Call before each application. False: it has been applied before. */
  reach(index: number): boolean {
    if (index < this.#first) return false;
    this.#index = index;
    return true;
  }

  /** From the outermost sequence on; the position around the root of the tree is none. */
  get path(): readonly InProgress[] {
    const { around, step } = this;
    if (!around) return [];
    const changed = this.changes.any || this.resumed?.changed === true;
    const ms = Math.round(performance.now() - this.#started);
    return [...around.path, { index: this.#index, ...(step !== undefined && { step }), changed, ms }];
  }
}
