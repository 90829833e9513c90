import { Cancelled, ConnectionFailed, isOfClass } from "../model/errors";
import type { Steps, Way } from "../model/property";
import type { PosixTarget } from "../model/target";

/** All that combinators around a step have asked for, outermost first. */
export class Ways {
  static readonly usual = new Ways([]);

  private constructor(private readonly all: readonly Way[]) {}

  with(way: Way): Ways {
    return new Ways([...this.all, way]);
  }

  targetOf(plain: PosixTarget): PosixTarget {
    return this.all.reduce((target, way) => way.target?.(target) ?? target, plain);
  }

  /** That somebody said to stop, and that the link is lost, is nothing that anybody can have expected. */
  expects(error: unknown): boolean {
    if (error instanceof Cancelled || error instanceof ConnectionFailed) return false;
    return this.all.some(({ expects }) =>
      typeof expects === "string" ? isOfClass(error, expects) : expects?.(error) === true,
    );
  }

  /** The names of classes among what is expected. */
  get expected(): string[] {
    return this.all.flatMap(({ expects }) => (typeof expects === "string" ? [expects] : []));
  }

  /** Asks each for what it wants done. What it does is done in the ways of those around it: never asked about itself. */
  async beforeChange(checked: boolean, steps: (ways: Ways) => Steps): Promise<void> {
    for (const [index, way] of this.all.entries())
      await way.beforeChange?.(steps(new Ways(this.all.slice(0, index))), checked);
  }
}
