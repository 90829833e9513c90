/** The results of measurements: figures, each compared with a limit. */

/** Milliseconds, bytes, or a plain number. */
export type Unit = "ms" | "bytes" | "";

/** The lower bound on this machine, measured in the same run as the figure. */
export interface Limit {
  /** `L1` or `L3` from docs/performance.md, or a description. */
  readonly name: string;
  readonly value: number;
}

/** The allowed maximum: in the unit of the figure, as a multiple of its limit, or both; then the multiple decides. */
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
  /** Undefined: the figure has no budget. */
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

/** A busy machine slows the limit too, so a multiple is more reliable than a time. */
function isWithin(value: number, ratio: number | undefined, { value: most, times }: Budget): boolean {
  if (ratio !== undefined && times !== undefined) return ratio <= times;
  return most === undefined || value <= most;
}
