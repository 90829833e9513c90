/** A plan without an engine: targets for its steps, and what was found out about each. */
import { targetOf } from "consfigurator/testing";
import type { HostChange } from "../../../../lib/model/changes";
import { HostModel } from "../../../../lib/model/host";
import { Findings, PlanEnds } from "../../../../lib/model/plan";
import type { PosixTarget } from "../../../../lib/model/target";
import type { TargetBase } from "../../../../lib/target/base";
import type { TargetContext } from "../../../../lib/target/context";
import { PlannedHost } from "../../../../lib/target/planning/host";
import { PlanningTarget } from "../../../../lib/target/planning/target";

export interface PlannedStep {
  readonly target: PlanningTarget;
  readonly findings: Findings;
  readonly changes: HostChange[];
}

export class TestPlan {
  readonly host = new PlannedHost();
  readonly #memory = new Map<string, unknown>();
  #steps = 0;

  /** `real`: makes the target that is asked. Default: one of `kind` on this machine. */
  constructor(
    kind: "posix" | "agent",
    private readonly real: (context: Partial<TargetContext>) => PosixTarget = (context) =>
      targetOf(kind, context),
  ) {}

  /** The next step. `after`: steps on which it depends whether it is done. */
  step(...after: number[]): PlannedStep {
    this.#steps += 1;
    const findings = new Findings(this.#steps);
    for (const each of after) findings.dependsOn.add(each);
    const changes: HostChange[] = [];
    const context: TargetContext = {
      host: HostModel.named("scratch.example.org"),
      signal: new AbortController().signal,
      output: () => {},
      atEnd: () => {},
      memory: this.#memory,
    };
    const changed = (change: HostChange) => void changes.push(change);
    const target = new PlanningTarget(
      this.real(context) as TargetBase,
      { ...context, changed },
      this.host,
      findings,
    );
    return { target, findings, changes };
  }

  get target(): PlanningTarget {
    return this.step().target;
  }
}

/** The numbers of the steps on which `step` depends. */
export const dependsOn = ({ findings }: PlannedStep): number[] =>
  [...findings.dependsOn].sort((a, b) => a - b);

/** The message of the `PlanEnds` with which `promise` rejects. */
export async function endOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof PlanEnds) return error.message;
    throw error;
  }
  throw new Error("the plan did not end there");
}
