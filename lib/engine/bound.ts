import { type BoundStep, changeDigest, deviation, StepKeys } from "../model/bound";
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
  const seen = new StepsSeen(key);
  const run = new Run(
    planned((event) => seen.add(event)),
    undefined,
  );
  await plan(run).catch(() => {});
  const found = seen.found;
  const expected = bound.steps[key];
  // Without an answer now, only a step that has none in the plan either may go on, or one that the user has accepted so.
  const problem = found
    ? deviation(expected, found, bound)
    : expected && !(expected.accepted && expected.answer === "unknown")
      ? "what it would do cannot be told now"
      : undefined;
  if (problem === undefined) return;
  const changes = seen.changes.map(inWords);
  const now =
    changes.length > 0 ? ` (${changes.slice(0, 3).join(", ")}${changes.length > 3 ? ", …" : ""})` : "";
  around.deviate({ reason: `${subject.property} is not as planned`, steps: seen.steps });
  throw new NotAsPlanned(
    `${subject.property} is not as planned: ${problem}${now}; nothing was done here: make a new plan, and deploy that`,
  );
}

/** What the first step of a run, which has the key `key`, and those inside it would do. */
class StepsSeen {
  /** The changes of the first step. */
  readonly changes: HostChange[] = [];
  readonly #key: string;
  readonly #keys = new StepKeys();
  readonly #digests = new Map<number, string[]>();
  readonly #found = new Map<string, BoundStep>();
  #first: number | undefined;

  constructor(key: string) {
    this.#key = key;
  }

  get found(): BoundStep | undefined {
    return this.#found.get(this.#key);
  }

  /** By key, as the user may accept them. */
  get steps(): Record<string, BoundStep> {
    const unknown: BoundStep = { answer: "unknown", open: true, changes: [] };
    const all = new Map([[this.#key, unknown], ...this.#found]);
    return Object.fromEntries([...all].map(([key, step]) => [key, { ...step, accepted: true }]));
  }

  add(event: StepEvent): void {
    if (event.kind === "step-started") this.#start(event);
    if (event.kind === "step-changed") {
      if (event.step === this.#first) this.changes.push(event.change);
      this.#digests.get(event.step)?.push(changeDigest(event.change));
    }
    if (event.kind !== "step-ended" || !event.plan) return;
    const key = this.#keys.of(event.step);
    if (key === undefined) return;
    const { answer, open = false } = event.plan;
    this.#found.set(key, { answer, open, changes: this.#digests.get(event.step) ?? [] });
  }

  #start({ step, parent, property, desc }: StepEvent & { kind: "step-started" }): void {
    this.#digests.set(step, []);
    if (this.#first === undefined) {
      this.#first = step;
      this.#keys.place(step, this.#key);
    } else if (parent !== undefined) this.#keys.started(step, parent, property, desc);
  }
}

/** One change in a few words. */
const inWords = (change: HostChange): string =>
  change.kind === "command"
    ? `run ${change.command.split("\n")[0]}`
    : change.kind === "file"
      ? `${change.path} ${change.change}`
      : `${change.kind} ${"name" in change ? change.name : "unit" in change ? change.unit : change.path}`;
