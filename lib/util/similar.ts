/**
 * Up to three of `names` of which `wanted` may be a misspelling, closest first, and none that is much further off: for "did
 * you mean". When `wanted` is shorter than `minLength`, only those that have the same letters in another order: most short
 * words are similar.
 */
export function similar(names: readonly string[], wanted: string, minLength = 0): string[] {
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  const isShort = wanted.length < minLength;
  return names
    .filter((name) => !isShort || lettersOf(name) === lettersOf(wanted))
    .map((name) => ({ name, distance: distance(name, wanted) }))
    .filter((candidate) => candidate.distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .filter((candidate, _, [closest]) => candidate.distance <= (closest?.distance ?? 0) + 1)
    .slice(0, 3)
    .map(({ name }) => name);
}

const lettersOf = (word: string): string => [...word].sort().join("");

/** The number of letters to add, remove, replace, or swap with the next one, to get from `a` to `b`. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      const swapped =
        i > 0 && j > 0 && a[i] === b[j - 1] && a[i - 1] === b[j] ? (before[j - 1] ?? 0) + 1 : replaced;
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, replaced, swapped));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
