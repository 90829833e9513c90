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

/**
 * As `outline`, of a plan: `<answer> <desc>`. An answer that depends says on which steps, and how it is as the host is now;
 * `…` follows the answer of a step that does more.
 */
export function planOutline(steps: readonly StepReport[]): string[] {
  const names = new Map(steps.map(({ step, desc }) => [step, desc]));
  return outline(
    steps.map((each): StepReport => {
      const { plan, status } = each;
      const on = plan?.dependsOn?.map((number) => names.get(number) ?? number).join(", ");
      const answer = plan
        ? `${plan.answer}${plan.open ? " …" : ""}${on === undefined ? "" : ` on [${on}], now ${status}:`}`
        : status;
      return { ...each, status: answer as StepReport["status"], reason: plan?.reason ?? each.reason };
    }),
  );
}
