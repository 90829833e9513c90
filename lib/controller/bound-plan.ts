import { createHash, randomBytes } from "node:crypto";
import { boundSteps } from "../model/bound";
import { InvalidArguments } from "../model/errors";
import type { FleetReport, Report, StepReport } from "../model/report";
import type { Nested } from "../model/types";
import type { DeployRequest, HostPlan } from "./request";

/** What a plan knows besides its report. */
interface Binding {
  readonly request: DeployRequest;
  readonly plan: HostPlan;
}

const bindings = new WeakMap<Report, Binding>();

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

/** The deployment that does what `plan` says. Throws `InvalidArguments` for a report that is no plan of this session. */
export function requestBoundTo(plan: Report | FleetReport, { strict = false } = {}): DeployRequest {
  const reports = "reports" in plan ? plan.reports : [plan];
  const found = reports.map((report) => {
    const binding = bindings.get(report);
    if (binding) return binding;
    throw new InvalidArguments(
      report.plan
        ? `the plan of ${report.host} was not completed, so it cannot be deployed; make a new one`
        : `this is the report of a deployment, not a plan; deploy(await plan(…)) does what a plan says`,
    );
  });
  const [first] = found;
  if (!first) throw new InvalidArguments("this plan is of no host");
  return {
    ...first.request,
    plan: false,
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
  const differences = Object.entries(plan.steps).flatMap(([key, { answer }]) => {
    const found = actual[key];
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
