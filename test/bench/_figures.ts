/** What a measurement gives: figures, each with the limit that it is held against. */

/** In milliseconds, bytes, or nothing but a number. */
export type Unit = "ms" | "bytes" | "";

/** The least that the machine allows, measured in the same run as the figure. */
export interface Limit {
  /** `L1`, `L2`, `L3` as docs/performance.md explains them, or words. */
  readonly name: string;
  readonly value: number;
}

/** What is allowed: in the unit of the figure, as a multiple of its limit, or both; the multiple decides then. */
export interface Budget {
  readonly value?: number;
  readonly times?: number;
}

export interface Figure {
  readonly what: string;
  readonly unit: Unit;
  readonly runs: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly limit?: Limit;
  /** The median as a multiple of the limit. */
  readonly ratio?: number;
  readonly budget?: Budget;
  /** Undefined: nothing is demanded of it. */
  readonly ok?: boolean;
}

/** One figure from all its runs. */
export function figure(
  what: string,
  unit: Unit,
  runs: readonly number[],
  { limit, budget }: { limit?: Limit; budget?: Budget } = {},
): Figure {
  const middle = median(runs);
  const ratio = limit && middle / limit.value;
  return {
    what,
    unit,
    runs: runs.length,
    median: middle,
    min: Math.min(...runs),
    max: Math.max(...runs),
    ...(limit && { limit }),
    ...(ratio !== undefined && { ratio }),
    ...(budget && { budget, ok: isWithin(middle, ratio, budget) }),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[middle - 1] ?? 0, sorted[middle] ?? 0];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

/** A noisy machine slows the limit too, so a multiple says more than a time. */
function isWithin(value: number, ratio: number | undefined, { value: most, times }: Budget): boolean {
  if (ratio !== undefined && times !== undefined) return ratio <= times;
  return most === undefined || value <= most;
}
