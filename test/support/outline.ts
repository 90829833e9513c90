/** Formats steps for tests: one line each, nested steps indented. */
import type { StepReport } from "../../lib/model/report";

/** `[<status> <desc> (<reason>): <class of failure>: <message>]`, in the order in which the steps started. */
export function outline(steps: readonly StepReport[]): string[] {
  const depths = new Map<number, number>();
  return steps.map(({ step, parent, status, desc, reason, failure }) => {
    const depth = parent === undefined ? 0 : (depths.get(parent) ?? -1) + 1;
    depths.set(step, depth);
    const why = reason === undefined ? "" : ` (${reason})`;
    const what = failure ? `: ${failure.name}: ${failure.message}` : "";
    return `${"  ".repeat(depth)}${status} ${desc}${why}${what}`;
  });
}
