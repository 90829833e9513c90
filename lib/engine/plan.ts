import { Cancelled, ConnectionFailed } from "../model/errors";
import { type Findings, type PlanAnswer, stopsPlan } from "../model/plan";
import type { Change } from "../model/property";
import type { ChangeCounter } from "./change-counter";

/** The result of planning one step. */
interface PlannedStep {
  /** What the steps around it have to expect. */
  readonly change: Change;
  /** How the step would end as the host is now. */
  readonly now: Change | "failed";
  readonly plan: PlanAnswer;
}

/**
 * Does `work`, which plans a step, and concludes what the plan says of it. `changes` counts those of the steps inside it,
 * and the step itself afterwards. Throws the error with which the step would certainly fail.
 */
export async function plannedStep(
  findings: Findings,
  changes: ChangeCounter,
  work: () => Promise<Change>,
): Promise<PlannedStep> {
  let now: PlannedStep["now"];
  let failure: string | undefined;
  try {
    now = await work();
  } catch (error) {
    if (stopsPlan(error)) now = "changed";
    else if (findings.certain || error instanceof Cancelled || error instanceof ConnectionFailed) throw error;
    else {
      now = "failed";
      failure = `as the host is now, it would fail: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  const { step, unknown } = findings;
  const own = new Set([...findings.dependsOn, ...findings.inside]);
  const dependsOn = [...(own.size > 0 ? own : changes.uncertain)];
  if (
    unknown === undefined &&
    (changes.certain || (findings.acts && dependsOn.length > 0)) &&
    now === "changed"
  ) {
    // It or steps inside it certainly change something, whatever is found out about the rest.
    if (dependsOn.length > 0) findings.open = true;
    if (!changes.certain) changes.add();
    return { change: "changed", now: "changed", plan: { answer: "would change", ...open(findings) } };
  }
  if (unknown === undefined && dependsOn.length === 0) {
    if (now === "changed") changes.add();
    const answer = now === "changed" ? "would change" : "holds";
    return { change: now as Change, now, plan: { answer, ...open(findings) } };
  }
  changes.addUncertain(step);
  const plan: PlanAnswer =
    unknown === undefined
      ? { answer: "depends", dependsOn: dependsOn.sort((a, b) => a - b), ...open(findings) }
      : { answer: "unknown", ...open(findings) };
  const reason = unknown ?? failure;
  return { change: "changed", now, plan: { ...plan, ...(reason !== undefined && { reason }) } };
}

/** What the plan tells of the paths that the step looks at. */
export async function pathsOf({ paths, noting }: Findings): Promise<Pick<PlanAnswer, "paths">> {
  if (!paths) return {};
  await Promise.allSettled(noting);
  return { paths: [...paths] };
}

const open = (findings: Findings): Pick<PlanAnswer, "open"> => (findings.open ? { open: true } : {});
