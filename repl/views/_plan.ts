/** What a plan says, in words. */
import type { PlanAnswer } from "../../lib/model/plan";
import { failures, type HostTree, leaves, type Step } from "./_tree";

/** Words for `1` and for more of each answer. */
const WORDS: Readonly<Record<PlanAnswer["answer"], readonly [one: string, more: string]>> = {
  "would change": ["would change", "would change"],
  holds: ["holds", "hold"],
  depends: ["depends on others", "depend on others"],
  "would fail": ["would fail", "would fail"],
  unknown: ["unknown", "unknown"],
};

/** `3 would change, 5 hold, 1 would fail`. */
export function planCounts(tree: HostTree): string {
  const all = leaves(tree).filter(({ status }) => status !== "skipped");
  const of = (answer: PlanAnswer["answer"]) =>
    answer === "would fail"
      ? failures(tree).length
      : all.filter(({ plan }) => plan?.answer === answer).length;
  const skipped = leaves(tree).filter(({ status }) => status === "skipped").length;
  const counted = (Object.keys(WORDS) as PlanAnswer["answer"][])
    .map((answer) => [of(answer), WORDS[answer][of(answer) === 1 ? 0 : 1]] as const)
    .filter(([count]) => count > 0)
    .map(([count, words]) => `${count} ${words}`);
  return [...counted, ...(skipped > 0 ? [`${skipped} skipped`] : [])].join(", ");
}

/** What follows the description of a planned step, in parentheses; empty when its sign says it all. */
export function planNote(step: Step, tree: HostTree): string {
  const { plan } = step;
  if (!plan) return step.reason ?? "";
  if (plan.answer === "unknown") return `unknown: ${plan.reason ?? "it cannot be asked"}`;
  if (plan.answer !== "depends")
    return plan.open && step.changes.every(({ kind }) => kind !== "command") ? "and more" : "";
  const on = (plan.dependsOn ?? []).map((each) => tree.steps.get(each)?.desc ?? `step ${each}`);
  const now = { changed: "would change", unchanged: "holds", failed: "would fail" }[step.status as string];
  return [
    `depends on ${listed(on)}`,
    plan.reason ?? (now === undefined ? "" : `as the host is now, it ${now}`),
  ]
    .filter(Boolean)
    .join("; ");
}

/** The first ones, and how many more. */
const listed = (all: readonly string[]): string =>
  all.length > 2 ? `${all[0]}, and ${all.length - 1} more` : all.join(" and ");

/** The answer for a step in one or two words. */
export const planWord = ({ plan, status }: Step): string => plan?.answer ?? status;

/** The answer for a host in one or two words. */
export const planResult = ({ status }: HostTree): string =>
  ({ changed: "would change", unchanged: "holds", failed: "would fail" })[status as string] ?? status;
