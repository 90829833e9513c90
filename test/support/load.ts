/**
 * Time as it passes on idle cores. Tests run beside each other and beside whatever else this computer does; a limit that
 * is kept only on idle cores would fail for that alone.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

/** How much slower time passes, at most, while processes wait for a core. */
export const MOST_PATIENCE = 4;

/** Microseconds since boot in which a process waited for a core; 0 where the kernel does not tell. */
function waitedForCore(): number {
  try {
    return Number(/^some .* total=(\d+)$/m.exec(readFileSync("/proc/pressure/cpu", "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Environment variable with how much slower time passes where this test file runs, as the runner expects. */
export const PATIENCE = "CONSFIGURATOR_TEST_PATIENCE";

/** Milliseconds for a limit of `seconds` on idle cores. */
export const limit = (seconds: number): number => seconds * 1000 * Number(process.env[PATIENCE] ?? 1);

/** What a stopwatch reads, in milliseconds. */
export interface Reading {
  readonly wall: number;
  readonly waited: number;
}

/** The milliseconds of `reading` as they had passed on idle cores, at least. */
export const unhindered = ({ wall, waited }: Reading): number =>
  wall - Math.min(wall, waited) * (1 - 1 / MOST_PATIENCE);

/** Starts a stopwatch: each call of the result returns the milliseconds since, as they had passed on idle cores. */
export function stopwatch(): () => number {
  const [started, before] = [performance.now(), waitedForCore()];
  return () => unhindered({ wall: performance.now() - started, waited: (waitedForCore() - before) / 1000 });
}

/**
 * Begins what is promised to take less than `seconds` on a computer that is not busy. The returned function ends it, and
 * fails when the promise was not kept.
 */
export function promised(seconds: number, what: string): () => void {
  const [started, elapsed] = [performance.now(), stopwatch()];
  return () => {
    const took = elapsed() / 1000;
    const wall = ((performance.now() - started) / 1000).toFixed(2);
    assert.ok(
      took < seconds,
      `${what} takes less than ${seconds} s; it took ${wall} s, ${took.toFixed(2)} s on idle cores`,
    );
  };
}

/** How much longer than on idle cores something may take now: from 1 to `MOST_PATIENCE`, by the last ten seconds. */
export function patience(): number {
  try {
    const share = /^some avg10=([\d.]+)/m.exec(readFileSync("/proc/pressure/cpu", "utf8"))?.[1];
    return 1 + (MOST_PATIENCE - 1) * (Number(share ?? 0) / 100);
  } catch {
    return 1;
  }
}
