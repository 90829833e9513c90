/** What a soak measures, and whether it stays as it is. */

export interface Figures {
  /** Bytes that the process of the prompt has in memory. */
  readonly rss: number;
  /** Bytes of its heap in use. */
  readonly heap: number;
  /** Bytes that the processes below it have in memory. */
  readonly below: number;
  /** Its open descriptors. */
  readonly open: number;
  /** Bytes of the caches on its disk. */
  readonly cache: number;
  /** The same on the host. */
  readonly supervisor: number;
  readonly supervisorOpen: number;
  readonly relays: number;
  readonly hostCache: number;
}

export interface Sample extends Figures {
  /** After so many deployments. */
  readonly n: number;
}

const MB = 1e6;
const MIB = 1024 ** 2;

interface Rule {
  readonly name: string;
  readonly unit: number;
  /** What it may grow by within the second half of a run, in its unit: a heap is collected now and then. */
  readonly noise: number;
  /** What it may be at the most. */
  readonly most?: number;
}

const RULES: { readonly [K in keyof Figures]: Rule } = {
  rss: { name: "controller, MB", unit: MB, noise: 10, most: (150 * MIB) / MB },
  heap: { name: "heap in use, MB", unit: MB, noise: 8 },
  // Most of it is the compiler, which collects its garbage late, and ends when it is idle; the type checker comes and goes.
  below: { name: "its processes, MB", unit: MB, noise: 60, most: 550 },
  // 28 to 38 at any moment; one that stays open after each deployment is twenty in the shortest run.
  open: { name: "descriptors", unit: 1, noise: 10 },
  cache: { name: "cache, MB", unit: MB, noise: 2 },
  supervisor: { name: "supervisor, MB", unit: MB, noise: 4 },
  supervisorOpen: { name: "its descriptors", unit: 1, noise: 2 },
  relays: { name: "relays", unit: 1, noise: 1 },
  hostCache: { name: "host's cache, MB", unit: MB, noise: 2 },
};

const names = Object.keys(RULES) as (keyof Figures)[];

/** The figures of the whole run as lines, and what grew, or was too much. */
export function figuresIn(samples: readonly Sample[]): { lines: string[]; problems: string[] } {
  const problems: string[] = [];
  const half = samples.slice(Math.floor(samples.length / 2));
  const lines = names.map((name) => {
    const { name: title, unit, noise, most } = RULES[name];
    const values = samples.map((sample) => sample[name] / unit);
    const growth = growthOf(half.map((sample) => [sample.n, sample[name] / unit] as const));
    const top = Math.max(...values);
    const line = `${title}: first ${shown(values[0])}, last ${shown(values.at(-1))}, most ${shown(top)}; in the second half ${growth >= 0 ? "+" : ""}${shown(growth)}`;
    if (growth > noise) problems.push(`${line}, over the noise of ${noise}`);
    if (most !== undefined && top > most) problems.push(`${line}, over the limit of ${most}`);
    return line;
  });
  return { lines, problems };
}

/** By how much the straight line that fits `points` best grows from the first to the last. */
export function growthOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
  const [mx, my] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const covariance = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  const variance = points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  const [first, last] = [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 0];
  return variance === 0 ? 0 : (covariance / variance) * (last - first);
}

/** One line for each sample. */
export const table = (samples: readonly Sample[]): string =>
  samples
    .map((sample) =>
      [
        `${sample.n}`.padStart(5),
        ...names.map((name) => `${name} ${shown(sample[name] / RULES[name].unit)}`),
      ].join("  "),
    )
    .join("\n");

const shown = (value = Number.NaN): string => (Number.isInteger(value) ? String(value) : value.toFixed(1));
