import { Cancelled, ConnectionFailed, isOfClass } from "../model/errors";
import type { StepOptions, Steps } from "../model/property";
import type { PosixTarget } from "../model/target";

/** The options set by the combinators around a step, outermost first. */
export class StepOptionsStack {
  static readonly none = new StepOptionsStack([]);

  private constructor(private readonly all: readonly StepOptions[]) {}

  with(options: StepOptions): StepOptionsStack {
    return new StepOptionsStack([...this.all, options]);
  }

  /** The same without what they do before a change. */
  get passive(): StepOptionsStack {
    return new StepOptionsStack(this.all.map(({ beforeChange: _acts, ...options }) => options));
  }

  targetFor(plain: PosixTarget): PosixTarget {
    return this.all.reduce((target, options) => options.target?.(target) ?? target, plain);
  }

  /** Cancellations and lost links never count as expected. */
  expects(error: unknown): boolean {
    if (error instanceof Cancelled || error instanceof ConnectionFailed) return false;
    return this.all.some(({ expects }) =>
      typeof expects === "string" ? isOfClass(error, expects) : expects?.(error) === true,
    );
  }

  /** The expected error classes, by name. */
  get expected(): string[] {
    return this.all.flatMap(({ expects }) => (typeof expects === "string" ? [expects] : []));
  }

  /** Runs each `beforeChange` with the options outside it, without its own. */
  async beforeChange(checked: boolean, steps: (options: StepOptionsStack) => Steps): Promise<void> {
    for (const [index, options] of this.all.entries())
      await options.beforeChange?.(steps(new StepOptionsStack(this.all.slice(0, index))), checked);
  }
}
