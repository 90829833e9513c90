import { createHash, randomBytes } from "node:crypto";
import { afterBegun, afterRehearsal, boundSteps, type Deviation } from "../model/bound";
import { InvalidArguments } from "../model/errors";
import type { FleetReport, Report, StepReport } from "../model/report";
import type { Nested } from "../model/types";
import { keyedState } from "./rehearsed";
import type { DeployRequest, HostPlan } from "./request";

/** What a plan knows besides its report. */
interface Binding {
  readonly request: DeployRequest;
  readonly plan: HostPlan;
}

const bindings = new WeakMap<Report, Binding>();
const deviations = new WeakMap<Report, Deviation>();

/** A key for the digests of one plan. */
export const planKey = (): string => randomBytes(16).toString("hex");

/** Remembers what `report`, a plan, was made of, so that it can be deployed. */
export function bindable(
  report: Report,
  request: DeployRequest,
  made: Pick<HostPlan, "key" | "definition" | "boot">,
): Report {
  const { host, steps } = report;
  const at = new Date().toISOString();
  bindings.set(report, { request, plan: { host, at, strict: false, steps: boundSteps(steps), ...made } });
  return report;
}

/**
 * Remembers what `report`, a rehearsal, was made of, so that it can be deployed: `plan` is that of the host, and
 * `states` what was in the clone in the end.
 */
export function rehearsalBindable(
  report: Report,
  request: DeployRequest,
  plan: Report,
  states: Readonly<Record<string, string>>,
): void {
  const planned = bindings.get(plan)?.plan;
  if (!planned) return;
  const steps = afterRehearsal(planned.steps, report.steps);
  const rehearsed = Object.fromEntries(
    Object.entries(states).map(([path, state]) => [path, keyedState(state, planned.key)]),
  );
  bindings.set(report, { request, plan: { ...planned, steps, rehearsed } });
}

/** Remembers what was not as planned in the deployment of `report`. */
export const recordDeviation = (report: Report, deviation: Deviation): void =>
  void deviations.set(report, deviation);

/** Whether the deployment of `report` stopped because a step was not as planned. */
export const hasDeviated = (report: Report): boolean => deviations.has(report);

/**
 * `plan` for another deployment after the one of `report`: what has begun may hold. `accept`: the steps that were not as
 * planned may do what they would do now.
 */
export const planAfter = (plan: HostPlan, report: Report, accept: boolean): HostPlan => ({
  ...plan,
  steps: {
    ...afterBegun(plan.steps, report.steps),
    ...(accept && deviations.get(report)?.steps),
  },
});

/** The deployment that does what `plan` says. Throws `InvalidArguments` for a report that is no plan of this session. */
export function requestBoundTo(
  plan: Report | FleetReport,
  options: { readonly strict?: boolean } = {},
): DeployRequest {
  const reports = "reports" in plan ? plan.reports : [plan];
  const found = reports.map((report) => {
    const binding = bindings.get(report);
    if (binding) return binding;
    throw new InvalidArguments(
      report.plan || report.rehearsal
        ? `the ${report.plan ? "plan" : "rehearsal"} of ${report.host} was not completed, so it cannot be deployed; make a new one`
        : `this is the report of a deployment, not a plan; deploy(await plan(…)) does what a plan says`,
    );
  });
  const [first] = found;
  if (!first) throw new InvalidArguments("this plan is of no host");
  const { strict = options.strict ?? false, ...request } = first.request;
  return {
    ...request,
    plan: false,
    rehearsal: false,
    fleet: "reports" in plan,
    hosts: found.flatMap(({ request, plan: { host } }) => request.hosts.filter(({ name }) => name === host)),
    bound: new Map(found.map(({ plan: each }) => [each.host, { ...each, strict }])),
  };
}

/** The plans in `report`, for a file. */
export const hostPlans = (report: FleetReport): HostPlan[] =>
  report.reports.flatMap((each) => bindings.get(each)?.plan ?? []);

/** The digest of a prepared host: equal as long as its definition says the same. */
export const definitionDigest = ({ host, application, hops }: Nested): string =>
  createHash("sha256")
    .update(JSON.stringify([host, application, hops], (key, value) => (key === "site" ? undefined : value)))
    .digest("hex")
    .slice(0, 32);

/** How the steps of a bound deployment ended, against its plan: one line, and one for each difference. */
export function comparison(steps: readonly StepReport[], plan: HostPlan): string {
  const actual = boundSteps(
    steps.map((step) => ({ ...step, plan: { answer: ANSWERS[step.status] ?? "unknown" } })),
  );
  const differences = Object.entries(plan.steps).flatMap(([key, { answer, begun }]) => {
    const found = actual[key];
    if (begun && found?.answer === "holds") return [];
    if (!found || answer === found.answer || answer === "depends" || answer === "unknown") return [];
    return [{ key, answer, found: found.answer }];
  });
  const count = Object.keys(plan.steps).length;
  const done = Object.keys(plan.steps).filter((key) => key in actual).length - differences.length;
  const head = `as planned: ${done} of ${count} ${count === 1 ? "step" : "steps"}`;
  const names = new Map(steps.map((step) => [step.step, step.desc]));
  const keyed = new Map(Object.keys(actual).map((key, index) => [key, names.get(steps[index]?.step ?? 0)]));
  return [
    head,
    ...differences.map(({ key, answer, found }) => `  ${keyed.get(key)}: planned: ${answer}; ${PAST[found]}`),
  ].join("\n");
}

const ANSWERS: Readonly<Record<string, "holds" | "would change" | "would fail">> = {
  unchanged: "holds",
  changed: "would change",
  failed: "would fail",
};
const PAST: Readonly<Record<string, string>> = {
  holds: "it held",
  "would change": "it changed something",
  "would fail": "it failed",
  unknown: "it did not run",
};
