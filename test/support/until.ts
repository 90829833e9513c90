/** Waiting for conditions. A test waits for what must become true, never for an amount of time. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { inspect } from "node:util";
import { stopwatch } from "./load";

export interface UntilOptions {
  /** Gives up after this many seconds, as they pass on idle cores. */
  readonly seconds?: number;
  /** What to show when it gives up, such as the text of a screen; otherwise what `look` returned last. */
  readonly saw?: () => unknown;
}

/** A condition that is being waited for. */
export interface Wait {
  readonly what: string;
  /** `performance.now()` at its start. */
  readonly since: number;
  readonly saw: () => unknown;
  /** Its test is over. */
  abandoned?: boolean;
}

/** Milliseconds between two looks that cost nothing. */
const SHORTEST_PAUSE = 20;

/** Milliseconds that a look takes at most when it starts no process, and searches little. */
const CHEAP_LOOK = 3;

/** Milliseconds between two looks at most, however long the wait has taken. */
const LONGEST_PAUSE = 200;

/**
 * Milliseconds until the next look. Looks that start processes become rarer with the time that the wait has taken: they
 * slow down what they wait for, and a wait is an eighth longer at most.
 */
const pauseAfter = (look: number, wait: number): number =>
  look < CHEAP_LOOK ? SHORTEST_PAUSE : Math.max(SHORTEST_PAUSE, Math.min(LONGEST_PAUSE, wait / 8));

type Truthy<T> = Exclude<T, false | null | undefined | 0 | "">;

const waits = new Set<Wait>();

/** Everything that this process waits for at the moment, oldest first. */
export const pendingWaits = (): readonly Wait[] => [...waits];

/** Ends all waits, because the test that has them took too long: the next ones are not theirs. */
export function abandonWaits(): void {
  for (const wait of waits) wait.abandoned = true;
  waits.clear();
}

/**
 * Calls `look` until it returns something truthy, and returns that. Gives up with an error that names `what` and shows
 * what it saw last. `options`: alone, the seconds.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  options: number | UntilOptions = {},
): Promise<Truthy<T>> {
  const { seconds = 30, saw } = typeof options === "number" ? { seconds: options } : options;
  let last: T | undefined;
  const wait: Wait = { what, since: performance.now(), saw: saw ?? (() => last) };
  const elapsed = stopwatch();
  waits.add(wait);
  try {
    for (;;) {
      const began = performance.now();
      last = await look();
      const took = performance.now() - began;
      if (last) return last as Truthy<T>;
      if (wait.abandoned) assert.fail(`its test is over: ${what}`);
      if (performance.now() - wait.since > seconds * 1000 && elapsed() > seconds * 1000)
        assert.fail(`not seen within ${seconds} s: ${what}${shown(wait)}`);
      await pause(pauseAfter(took, performance.now() - wait.since));
    }
  } finally {
    waits.delete(wait);
  }
}

/** A wait as one line or, with what it saw, several. */
export function described(wait: Wait): string {
  return `${wait.what}, for ${((performance.now() - wait.since) / 1000).toFixed(1)} s${shown(wait)}`;
}

function shown({ saw }: Wait): string {
  const value = saw();
  if (value === undefined || value === null || typeof value === "boolean") return "";
  return `; seen last:\n${typeof value === "string" ? value.slice(-8000) : inspect(value, { depth: 4 })}`;
}
