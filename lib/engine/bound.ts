import { type BoundStep, changeDigest, deviation } from "../model/bound";
import type { HostChange } from "../model/changes";
import { NotAsPlanned } from "../model/errors";
import type { StepEvent } from "../model/events";
import type { PropApp } from "../model/property";
import { Run } from "./run";

/**
 * Plans a step of a bound deployment as the host is now, with `plan`. Throws `NotAsPlanned` when that is not what its plan
 * says: nothing has been done then. `key`: of the step in the plan.
 */
export async function refuseDeviation(
  around: Run,
  subject: Pick<PropApp, "property" | "site">,
  key: string,
  plan: (run: Run) => Promise<unknown>,
): Promise<void> {
  const { bound, planned } = around.context;
  if (!bound || !planned) return;
  const seen = new StepSeen();
  const run = new Run(
    planned((event) => seen.add(event)),
    undefined,
  );
  await plan(run).catch(() => {});
  const found = seen.found;
  const expected = bound.steps[key];
  // Without an answer now, only a step that has none in the plan either may go on.
  const problem = found
    ? deviation(expected, found, bound)
    : expected && "what it would do cannot be told now";
  if (problem === undefined) return;
  const changes = seen.changes.map(inWords);
  const now =
    changes.length > 0 ? ` (${changes.slice(0, 3).join(", ")}${changes.length > 3 ? ", …" : ""})` : "";
  around.deviated = `${subject.property} is not as planned`;
  throw new NotAsPlanned(
    `${subject.property} is not as planned: ${problem}${now}; nothing was done here: make a new plan, and deploy that`,
  );
}

/** What the first step of a run would do. */
class StepSeen {
  readonly changes: HostChange[] = [];
  #step: number | undefined;
  found: BoundStep | undefined;

  add(event: StepEvent): void {
    if (event.kind === "step-started") this.#step ??= event.step;
    if (event.kind === "step-changed" && event.step === this.#step) this.changes.push(event.change);
    if (event.kind !== "step-ended" || event.step !== this.#step || !event.plan) return;
    const { answer, open = false } = event.plan;
    this.found = { answer, open, changes: this.changes.map(changeDigest) };
  }
}

/** One change in a few words. */
const inWords = (change: HostChange): string =>
  change.kind === "command"
    ? `run ${change.command.split("\n")[0]}`
    : change.kind === "file"
      ? `${change.path} ${change.change}`
      : `${change.kind} ${"name" in change ? change.name : "unit" in change ? change.unit : change.path}`;
