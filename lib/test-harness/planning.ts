import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { applyTree } from "../engine/apply";
import type { AtEnd } from "../engine/run";
import type { StepEvent, StepStatus } from "../model/events";
import type { PlanAnswer } from "../model/plan";
import type { PropApp } from "../model/property";
import type { Report } from "../model/report";
import type { PosixTarget } from "../model/target";
import type { TargetBase } from "../target/base";
import type { TargetContext } from "../target/context";
import { PlannedHost } from "../target/planning/host";
import { PlanningTarget } from "../target/planning/target";

/** What a step is planned to do, or did. */
export interface StepOutcome {
  readonly step: number;
  readonly property: string;
  readonly desc: string;
  readonly status: StepStatus;
  /** The class of the error with which it failed. */
  readonly error?: string;
  readonly plan?: PlanAnswer;
}

/** A file as a plan expects it; undefined `type`: there is none. */
export interface PlannedFile {
  readonly path: string;
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** In base64, of a file whose content is planned. */
  readonly content?: string;
}

export interface PlannedOutcome {
  readonly steps: readonly StepOutcome[];
  /** The files that certainly change, as they are expected afterwards. */
  readonly files: readonly PlannedFile[];
}

/** Collects the steps of a plan or a deployment from its events. */
export class StepOutcomes {
  readonly steps: StepOutcome[] = [];
  readonly #started = new Map<number, { readonly property: string; readonly desc: string }>();

  add(event: StepEvent): void {
    if (event.kind === "step-started") this.#started.set(event.step, event);
    if (event.kind !== "step-ended") return;
    const { property = "", desc = "" } = this.#started.get(event.step) ?? {};
    const { status, failure, plan } = event;
    const error = failure && { error: failure.name };
    this.steps.push({ step: event.step, property, desc, status, ...error, ...(plan && { plan }) });
  }
}

/** Plans `application`, which is prepared, on the target that `make` makes. */
export async function plannedOutcome(
  application: PropApp,
  context: Omit<TargetContext, "output" | "atEnd">,
  make: (context: TargetContext) => TargetBase,
): Promise<PlannedOutcome> {
  const planned = new PlannedHost();
  const outcomes = new StepOutcomes();
  const atEnd: AtEnd = new Map();
  const changed = new Set<string>();
  let target: PosixTarget | undefined;
  await applyTree(application, {
    target: ({ findings, ...listener }) => {
      if (!findings) throw new Error("a plan has findings");
      const whole = {
        ...context,
        ...listener,
        atEnd: (key: string, act: Parameters<PosixTarget["atEnd"]>[1]) => void atEnd.set(key, act),
      };
      const { changed: _unreported, ...onHost } = whole;
      target = new PlanningTarget(make(onHost), whole, planned, findings);
      return target;
    },
    plans: true,
    emit: (event) => {
      outcomes.add(event);
      if (event.kind === "step-changed" && event.change.kind === "file") changed.add(event.change.path);
    },
    stopped: () => undefined,
    atEnd,
  });
  const home = (await target?.identity())?.home ?? "/";
  const files = [...changed].flatMap((given) => {
    const path = given.startsWith("/") ? given : `${home}/${given}`;
    const { entry } = planned.tree.at(path);
    if (!entry?.certain || planned.changingPlace(path, entry, true).length > 0) return [];
    if (!entry.node) return [{ path }];
    const { type, mode, uid, gid, content } = entry.node;
    return [{ path, type, mode, uid, gid, ...(content && { content: content.toString("base64") }) }];
  });
  return { steps: outcomes.steps, files };
}

/** The steps of a deployment, or of a plan. */
export const stepOutcomes = ({ steps }: Report): StepOutcome[] =>
  steps.map(({ step, property, desc, status, failure, plan }) => ({
    step,
    property,
    desc,
    status: status === "unfinished" ? "skipped" : status,
    ...(failure && { error: failure.name }),
    ...(plan && { plan }),
  }));

/**
 * Asserts that what certainly was planned of each step has come true. `consfig`: the file of the host, when that is an
 * example.
 */
export function assertStepsCameTrue(
  planned: readonly StepOutcome[],
  actual: readonly StepOutcome[],
  consfig?: string,
): void {
  const remaining = [...actual];
  const rows = planned.map(({ property, desc, plan }) => {
    const at = remaining.findIndex((each) => each.property === property && each.desc === desc);
    const [found] = at < 0 ? [] : remaining.splice(at, 1);
    const answer = plan?.answer;
    const wanted = EXPECTED[answer ?? ""];
    // What acts may fail in acting, which nobody knows before. An `AbortedChange` has not acted.
    const acted = found?.status === "failed" && (plan?.open || found.error !== "AbortedChange");
    const isStopped =
      (found?.status ?? "skipped") === "skipped" && actual.some(({ status }) => status === "failed");
    const isRight =
      isStopped || wanted === undefined || wanted === found?.status || (answer === "would change" && acted);
    const reason = plan?.reason ?? dependence(plan, planned);
    const row = { property, desc, answer, reason, actual: found?.status, wrong: !isRight };
    return { ...(consfig !== undefined && { consfig }), ...row };
  });
  record(rows);
  assert.deepEqual(
    rows.filter(({ wrong }) => wrong),
    [],
    "the plan was right",
  );
}

/** The properties on whose steps `plan` depends, in words; undefined when it depends on none. */
function dependence(plan: PlanAnswer | undefined, steps: readonly StepOutcome[]): string | undefined {
  const names = steps.filter(({ step }) => plan?.dependsOn?.includes(step)).map(({ property }) => property);
  return names.length > 0 ? `on ${[...new Set(names)].join(", ")}` : undefined;
}

/** Asserts that what certainly was planned has come true: each step, and each file byte for byte. */
export async function assertCameTrue(
  planned: PlannedOutcome,
  actual: readonly StepOutcome[],
  on: PosixTarget,
): Promise<void> {
  assertStepsCameTrue(planned.steps, actual);
  if (actual.some(({ status }) => status === "failed")) return;
  for (const file of planned.files) {
    const [stat, content] = await Promise.all([
      on.lstat(file.path),
      file.content === undefined ? undefined : on.readBytes(file.path),
    ]);
    const found = stat && { type: stat.type, mode: stat.mode, uid: stat.uid, gid: stat.gid };
    const seen = { path: file.path, ...found, ...(content && { content: content.toString("base64") }) };
    assert.deepEqual(
      seen,
      file.type === "symlink" ? { ...file, mode: 0o777 } : file,
      "the planned file is the actual one",
    );
  }
}

/** The status that an answer promises. */
const EXPECTED: Readonly<Record<string, StepStatus>> = {
  holds: "unchanged",
  "would change": "changed",
  "would fail": "failed",
};

/** For `npm run accuracy`: one line of JSON a step. */
function record(rows: readonly object[]): void {
  const file = process.env["CONSFIGURATOR_ACCURACY"];
  if (file) appendFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}
