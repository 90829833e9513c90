import { statSync } from "node:fs";

/**
 * `files`, the one modified last first. A file dated in the future comes last: it was written before the clock was set
 * back, so everything dated by the present clock is newer.
 */
export function newestFirst(files: readonly string[], now = Date.now()): string[] {
  const modified = new Map(files.map((file) => [file, modifiedBefore(file, now)]));
  return [...files].sort((one, other) => (modified.get(other) ?? 0) - (modified.get(one) ?? 0));
}

/** Future dates become negative numbers, in the same order. */
function modifiedBefore(file: string, now: number): number {
  const at = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;
  return at > now + TICK ? at - Number.MAX_SAFE_INTEGER : at;
}

/** File systems round times, in milliseconds. */
const TICK = 2000;
