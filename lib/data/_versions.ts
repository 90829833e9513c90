import type { Version } from "../model/data-source";

/**
 * Negative when `one` is older than `other`, 0 when they are equal. Numbers are compared from left to right; one that is
 * missing counts as 0, and what follows the first part that is no number does not count.
 */
export function compareVersions(one: Version, other: Version): number {
  const [left, right] = [numbersIn(one), numbersIn(other)];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersIn(version: Version): number[] {
  if (typeof version === "number") return [version];
  const parts = version.split(".");
  const end = parts.findIndex((part) => !/^\d+$/.test(part));
  return parts.slice(0, end < 0 ? parts.length : end).map(Number);
}
