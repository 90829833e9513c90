/** A time: a `Date`, text as ISO 8601, or how long ago, such as "90 min", "2 h" or "3 days". */
export type Moment = Date | string;

const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const AGO = /^(\d{1,6}(?:\.\d+)?) ?(s|sec|seconds?|min|minutes?|h|hours?|d|days?|w|weeks?)$/;
const ISO = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/;

/** `moment` in milliseconds since 1970; undefined where it is no time. Without a zone, the clock is that of this machine. */
export function momentIn(moment: unknown, now = Date.now()): number | undefined {
  const [, count, unit = ""] = typeof moment === "string" ? (AGO.exec(moment) ?? []) : [];
  const at =
    count !== undefined
      ? now - Number(count) * (UNITS_MS[unit.charAt(0)] ?? 0)
      : moment instanceof Date
        ? moment.getTime()
        : typeof moment === "string" && ISO.test(moment)
          ? Date.parse(moment)
          : Number.NaN;
  return Number.isFinite(at) && at >= 0 ? at : undefined;
}
