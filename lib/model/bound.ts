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
  const keys = new StepKeys();
  const bound: Record<string, BoundStep> = {};
  for (const { step, parent, property, desc, plan, changes } of steps) {
    const key = keys.started(step, parent, property, desc);
    if (!plan) continue;
    bound[key] = { answer: plan.answer, open: plan.open ?? false, changes: changes.map(changeDigest) };
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
  if (answer === "depends" || answer === "unknown")
    return strict ? `the plan could not tell what it would do, and is strict` : undefined;
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
