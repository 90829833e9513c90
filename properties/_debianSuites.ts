import { InapplicableProperty } from "consfigurator";

/** The releases of Debian with their numbers, oldest first. The last ones are not released yet. */
const releases = {
  ...{ squeeze: 6, wheezy: 7, jessie: 8, stretch: 9, buster: 10, bullseye: 11, bookworm: 12, trixie: 13 },
  ...{ forky: 14, duke: 15 },
} as const;

/** The newest release when this was written. */
const newest = releases.trixie;

/** Names that move on to another release at each release of Debian. */
export const moving = {
  stable: ["stable", "oldstable", "oldoldstable"],
  development: ["testing", "unstable", "sid"],
} as const;

/** The names of all suites. */
export const suiteNames: readonly string[] = [
  ...Object.keys(releases),
  ...moving.stable,
  ...moving.development,
  "experimental",
];

/** The number of the Debian release `name`; undefined when it is not known. */
export const numberOf = (name: string): number | undefined => (releases as Record<string, number>)[name];

/** The name of the Debian release with the major version `number`. */
export const nameOf = (number: number): string | undefined =>
  Object.entries(releases).find(([, each]) => each === number)?.[0];

/** Whether Debian `number` has certainly been followed by another release. */
export const isSuperseded = (number: number): boolean => number < newest;

/** Refuses a name that is one slip of the finger from a known one. Others pass: there are releases to come, and derivatives. */
export function refuseMisspelled(suite: string): void {
  const meant = suiteNames.filter((name) => name.length > 4 && isOneSlip(suite, name));
  if (meant.length === 0 || suiteNames.includes(suite)) return;
  const guess = meant.map((name) => JSON.stringify(name)).join(" or ");
  throw new InapplicableProperty(`there is no Debian suite ${JSON.stringify(suite)}; did you mean ${guess}?`);
}

/** Whether `typed` is `name` with one letter missing, added, wrong, or swapped with the next. */
function isOneSlip(typed: string, name: string): boolean {
  const shorter = Math.min(typed.length, name.length);
  let start = 0;
  while (start < shorter && typed[start] === name[start]) start += 1;
  let end = 0;
  while (end < shorter - start && typed.at(-1 - end) === name.at(-1 - end)) end += 1;
  const [one, other] = [typed, name].map((each) => each.slice(start, each.length - end));
  if (one === undefined || other === undefined) return false;
  if (one.length <= 1 && other.length <= 1) return true;
  return one.length === 2 && other.length === 2 && one[0] === other[1] && one[1] === other[0];
}
