import type { HostParts } from "../../model/target";
import { overlap } from "../host-parts";
import type { Mount } from "../mounts";
import { areApart } from "./apart";
import type { Answer } from "./batch";
import type { Changed, Question } from "./turn";

/** No older answer counts, because a host also changes by itself. */
const MAX_AGE_MS = 5000;

/** A question that was asked before its answer is needed. */
export class Known {
  /** Where the file is that it is about, if it is about one, and no link leads there. */
  place: string | undefined;
  /** How often the answer still counts: as often as the question was asked in `round`, less than it was needed since. */
  uses = 1;
  /** The latest round of questions in which it was asked. */
  round: object;
  #answered: Answer | undefined;
  #answeredAt = Number.POSITIVE_INFINITY;
  readonly #about: HostParts | undefined;

  constructor(
    { about }: Question,
    round: object,
    readonly answer: Promise<Answer>,
  ) {
    this.#about = about;
    this.round = round;
  }

  /** The answer, once it has come. */
  get answered(): Answer | undefined {
    return this.#answered;
  }

  settle(answer: Answer): void {
    this.#answered = answer;
    this.#answeredAt = performance.now();
  }

  get isFresh(): boolean {
    return this.#answeredAt + MAX_AGE_MS > performance.now();
  }

  /** Whether the answer is certainly the same after an act. `mounts`: those of the host, if they are known. */
  outlives(changed: Changed, mounts: readonly Mount[] | undefined): boolean {
    if (!changed) return false;
    if ("place" in changed)
      return mounts !== undefined && this.place !== undefined && areApart(changed.place, this.place, mounts);
    const { parts } = changed;
    const about = this.#about;
    // Both paths may be those of links.
    return about !== undefined && !(parts.paths && about.paths) && !overlap(parts, about);
  }
}
