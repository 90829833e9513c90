import { createHash } from "node:crypto";
import type { HostChange } from "./changes";
import type { PlanAnswer } from "./plan";
import type { StepReport } from "./report";

/** What a deployment is bound to: the steps of a plan. Plain data. */
export interface BoundPlan {
  /** Secret, so that digests of contents tell nothing to anyone else. In hexadecimal. */
  readonly key: string;
  readonly steps: Readonly<Record<string, BoundStep>>;
  /** True: a step whose answer was not certain must not act either. */
  readonly strict: boolean;
  /** What tells the boot of the installation that was planned from another. */
  readonly boot?: string;
  /** The key of the step around a nested deployment. */
  readonly within?: string;
}

/** One step of a plan, by its place in the tree. */
export interface BoundStep {
  readonly answer: PlanAnswer["answer"];
  /** True: the step does more than `changes`, which the plan could not tell. */
  readonly open: boolean;
  /** The digest of each change, in order. */
  readonly changes: readonly string[];
  /** How the step ended in a rehearsal, where the plan alone could not tell. */
  readonly rehearsed?: "holds" | "would change";
  /** True: the user has agreed to it as it is here, even where the plan is strict. */
  readonly accepted?: boolean;
  /** True: an earlier deployment of the plan has begun it, so it may hold. */
  readonly begun?: boolean;
}

/** Where a bound deployment stopped. */
export interface Deviation {
  /** Why no further step started. */
  readonly reason: string;
  /** What the steps that were not as planned, and those inside them, would do now, by key. */
  readonly steps: Readonly<Record<string, BoundStep>>;
}

/** Numbers equal steps in the same step, so that each has a name that is the same in a plan and in its deployment. */
export class StepKeys {
  readonly #counts = new Map<string, number>();
  readonly #keys = new Map<number, string>();

  /** `within`: the key of the step around all of them. */
  constructor(private readonly within = "") {}

  /** The key of `step`, which starts now. */
  started(step: number, parent: number | undefined, property: string, desc: string): string {
    const around = parent === undefined ? this.within : (this.#keys.get(parent) ?? "");
    const name = `${around}/${createHash("sha256").update(`${property} ${desc}`).digest("hex").slice(0, 12)}`;
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const key = count === 1 ? name : `${name}.${count}`;
    this.#keys.set(step, key);
    return key;
  }

  /** Gives `step` the key that it has elsewhere. */
  place(step: number, key: string): void {
    this.#keys.set(step, key);
  }

  of(step: number): string | undefined {
    return this.#keys.get(step);
  }
}

/** The digest of a change, equal for a change that does the same. */
export const changeDigest = (change: HostChange): string =>
  createHash("sha256")
    .update(withoutNames(JSON.stringify(change)))
    .digest("hex")
    .slice(0, 32);

/** Temporary files have another name each time. */
const withoutNames = (text: string): string =>
  text.replace(/consfigurator\.[0-9a-f]{18}/g, "consfigurator.*");

/** The steps of a plan by key, from its report. */
export function boundSteps(steps: readonly StepReport[]): Record<string, BoundStep> {
  const bound: Record<string, BoundStep> = {};
  for (const [key, { plan, changes }] of keyed(steps))
    if (plan)
      bound[key] = { answer: plan.answer, open: plan.open ?? false, changes: changes.map(changeDigest) };
  return bound;
}

/** `planned` with what the steps `reported` of a rehearsal did where the plan could not tell. */
export function afterRehearsal(
  planned: BoundPlan["steps"],
  reported: readonly StepReport[],
): Record<string, BoundStep> {
  const bound = { ...planned };
  for (const [key, { status }] of keyed(reported)) {
    const step = planned[key] ?? { answer: "unknown", open: true, changes: [] };
    if (step.answer !== "depends" && step.answer !== "unknown") continue;
    if (status === "changed") bound[key] = { ...step, rehearsed: "would change" };
    if (status === "unchanged") bound[key] = { ...step, rehearsed: "holds" };
  }
  return bound;
}

function keyed(steps: readonly StepReport[]): [string, StepReport][] {
  const keys = new StepKeys();
  return steps.map((each) => [keys.started(each.step, each.parent, each.property, each.desc), each]);
}

/** `planned` after a deployment of it that had the steps `reported`: those that have begun may hold now. */
export function afterBegun(
  planned: BoundPlan["steps"],
  reported: readonly StepReport[],
): Record<string, BoundStep> {
  const bound = { ...planned };
  for (const [key, { status }] of keyed(reported)) {
    const step = planned[key];
    if (step && status !== "skipped") bound[key] = { ...step, begun: true };
  }
  return bound;
}

/**
 * Why `found`, which the step would do now, is not what was planned; undefined when it is. A step whose answer was not
 * certain may do anything, unless the plan is strict.
 */
export function deviation(
  planned: BoundStep | undefined,
  found: BoundStep,
  { strict }: Pick<BoundPlan, "strict">,
): string | undefined {
  if (!planned) return "it is not in the plan";
  const { answer } = planned;
  if (planned.begun && found.answer === "holds") return undefined;
  if (answer === "depends" || answer === "unknown") {
    if (planned.accepted || !planned.rehearsed)
      return strict && !planned.accepted
        ? `the plan could not tell what it would do, and is strict`
        : undefined;
    return planned.rehearsed === "holds" && found.answer === "would change"
      ? "in the rehearsal it held, and now it would change something"
      : undefined;
  }
  if (answer !== found.answer) return `the plan said: ${WORDS[answer]}; now: ${WORDS[found.answer]}`;
  const isSame = planned.changes.length === found.changes.length || planned.open;
  if (isSame && planned.changes.every((each, index) => each === found.changes[index])) return undefined;
  return "its changes are not the planned ones any more";
}

const WORDS: Readonly<Record<PlanAnswer["answer"], string>> = {
  holds: "it holds",
  "would change": "it would change something",
  depends: "it depends on other steps",
  "would fail": "it would fail",
  unknown: "it cannot be told",
};
