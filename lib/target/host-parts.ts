import type { HostParts } from "../model/target";

/** Whether a change of `touched` may change an answer about `asked`. Without `touched`: anything may have changed. */
export function overlap(touched: HostParts | undefined, asked: HostParts): boolean {
  if (!touched) return true;
  if (touched.additions && asked.additions) return true;
  if (touched.packages && asked.packages) return true;
  if (touched.accounts && asked.accounts) return true;
  if (touched.units && asked.units) {
    const [one, other] = [touched.units, asked.units];
    if (one === true || other === true || one.some((unit) => other.includes(unit))) return true;
  }
  return (
    touched.paths?.some((one) =>
      asked.paths?.some((other) => isWithin(one, other) || isWithin(other, one)),
    ) === true
  );
}

/** Whether `place` is `around` or below it. */
export const isWithin = (place: string, around: string): boolean =>
  place === around || around === "/" || place.startsWith(`${around.replace(/\/+$/, "")}/`);
