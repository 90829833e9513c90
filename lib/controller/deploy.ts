import { inspect } from "node:util";
import { refuseArguments } from "../model/errors";
import { type Hop, hops as hopDefinitions, separateHops } from "../model/hop";
import type { Chained } from "../model/hop-chain";
import type { Host } from "../model/host";
import type { MaybePropApp } from "../model/property";
import type { FleetReport, Report } from "../model/report";
import { either, hop, problems, propapp, string } from "../model/schema";
import { requestBoundTo } from "./bound-plan";
import { Deployment } from "./deployment";
import type { DeployRequest, HostPlan } from "./request";
import { session } from "./session";

type Rest = readonly (Hop | readonly Hop[] | MaybePropApp)[];
type Subject = Host | string;

/**
 * Makes the machine match its definition: applies the properties of `host`, then further applications. Hops given here
 * replace the host's own. Failures are not thrown but are in the report. Throws `InvalidArguments` for an argument that is
 * not a host, hop or property.
 *
 * Given a plan instead of hosts, it does what that plan says and nothing else: a step that would now do something else
 * stops before it acts. With `strict`, so does a step that the plan could not tell.
 */
export function deploy(plan: Report, options?: BoundOptions): Deployment<Report>;
export function deploy(plan: FleetReport, options?: BoundOptions): Deployment<FleetReport>;
export function deploy<const R extends Rest>(host: Host, ...rest: R & Chained<R>): Deployment<Report>;
export function deploy<const R extends Rest>(
  hosts: readonly Host[],
  ...rest: R & Chained<R>
): Deployment<FleetReport>;
export function deploy(
  subject: Host | readonly Host[] | Report | FleetReport,
  ...rest: readonly (Rest[number] | BoundOptions)[]
): Deployment<Report | FleetReport> {
  if (isReport(subject)) return deployPlan(subject, rest[0] as BoundOptions | undefined);
  return begin("everything", subject, rest as Rest, deploy);
}

/** Deploys the hosts of `plans`, as `deploy(plan)` does. */
export function deployPlans(
  plans: ReadonlyMap<string, HostPlan>,
  { strict = false }: BoundOptions = {},
): Deployment<FleetReport> {
  const deployment = new Deployment<FleetReport>({
    scope: "everything",
    fleet: true,
    hosts: [...plans.keys()].map((name) => ({ name })),
    hops: [],
    applications: [],
    bound: new Map([...plans].map(([name, plan]) => [name, { ...plan, strict }])),
  });
  session.begin(deployment);
  return deployment;
}

/** Options of a deployment that is bound to a plan. */
export interface BoundOptions {
  /** True: a step that the plan could not tell for certain does not act either. */
  readonly strict?: boolean;
}

const isReport = (subject: unknown): subject is Report | FleetReport =>
  typeof subject === "object" && subject !== null && ("steps" in subject || "reports" in subject);

/** As `deploy` of a plan of one host or of several. */
export function deployPlan(
  plan: Report | FleetReport,
  options?: BoundOptions,
): Deployment<Report | FleetReport> {
  const deployment = new Deployment<Report | FleetReport>(requestBoundTo(plan, options));
  session.begin(deployment);
  return deployment;
}

/**
 * As `deploy`, for hops that end in a shell: the first property that needs an agent, and all properties after it, are
 * reported as skipped. Their facts are still recorded.
 */
export function deployPosix<const R extends Rest>(host: Host, ...rest: R & Chained<R>): Deployment<Report>;
export function deployPosix<const R extends Rest>(
  hosts: readonly Host[],
  ...rest: R & Chained<R>
): Deployment<FleetReport>;
export function deployPosix(
  subject: Host | readonly Host[],
  ...rest: Rest
): Deployment<Report | FleetReport> {
  return begin("posix prefix", subject, rest, deployPosix);
}

/** As `deploy`, but applies only the given applications. `host` may be just a name. The first failure stops the rest. */
export function deployThese<const R extends Rest>(host: Subject, ...rest: R & Chained<R>): Deployment<Report>;
export function deployThese<const R extends Rest>(
  hosts: readonly Subject[],
  ...rest: R & Chained<R>
): Deployment<FleetReport>;
export function deployThese(
  subject: Subject | readonly Subject[],
  ...rest: Rest
): Deployment<Report | FleetReport> {
  return begin("only these", subject, rest, deployThese);
}

/**
 * As `deploy`, but nothing is done: the report says of each step whether it holds, would change something and what, would
 * fail, depends on earlier steps, or cannot be told in advance. Nothing on the host is touched.
 */
export function plan<const R extends Rest>(host: Host, ...rest: R & Chained<R>): Deployment<Report>;
export function plan<const R extends Rest>(
  hosts: readonly Host[],
  ...rest: R & Chained<R>
): Deployment<FleetReport>;
export function plan(subject: Host | readonly Host[], ...rest: Rest): Deployment<Report | FleetReport> {
  return begin("everything", subject, rest, plan, { plan: true });
}

/**
 * As `deploy`, but in a copy-on-write clone of each host, on that host, which is thrown away afterwards: nothing differs on the
 * host. The report has in `rehearsal` what files differ, which units were started and whether they run, and what could not be
 * tried. A host that cannot be cloned is planned instead. `deploy(rehearsal)` does what was rehearsed, as `deploy(plan)` does,
 * and compares the outcome file by file.
 */
export function rehearse<const R extends Rest>(host: Host, ...rest: R & Chained<R>): Deployment<Report>;
export function rehearse<const R extends Rest>(
  hosts: readonly Host[],
  ...rest: R & Chained<R>
): Deployment<FleetReport>;
export function rehearse(subject: Host | readonly Host[], ...rest: Rest): Deployment<Report | FleetReport> {
  return begin("everything", subject, rest, rehearse, { rehearsal: true });
}

function begin<R extends Report | FleetReport>(
  scope: DeployRequest["scope"],
  subject: Subject | readonly Subject[],
  rest: Rest,
  caller: Function,
  more: Pick<DeployRequest, "plan" | "rehearsal"> = {},
): Deployment<R> {
  const fleet = Array.isArray(subject);
  const subjects = (fleet ? subject : [subject]) as readonly Subject[];
  const { hops, others } = separateHops(rest);
  refuseArguments(
    more.plan ? "plan" : more.rehearsal ? "rehearse" : "deploy",
    [...subjects.flatMap(subjectComplaints), ...others.flatMap((each) => restComplaints(each, caller.name))],
    caller,
  );
  const deployment = new Deployment<R>({
    scope,
    fleet,
    hosts: subjects.map((each) => (typeof each === "string" ? { name: each } : each)),
    hops,
    applications: others,
    ...more,
  });
  session.begin(deployment);
  return deployment;
}

const subjectSchema = either(string(), { type: "object", required: ["name", "applications"] });
const restSchema = either(hop(), propapp());

export const isHost = (given: unknown): given is Host =>
  typeof given === "object" && given !== null && "applications" in given && "name" in given;

const subjectComplaints = (given: unknown): string[] =>
  problems(subjectSchema, given).length > 0
    ? [`expected a host from defhost, or a list of hosts; got ${shown(given)}`]
    : [];

function restComplaints(given: unknown, caller: string): string[] {
  if (problems(restSchema, given).length === 0) return [];
  if (isHost(given))
    return [`${shown(given.name)} is a second host; to deploy several, pass a list: ${caller}([a, b])`];
  const name = calledName(given);
  return name === undefined
    ? [
        `expected a hop, such as via.ssh({ user: "root" }), or a property, such as cmd.single("true"); got ${shown(given)}`,
      ]
    : [`${name} was not called; write ${name}(…)`];
}

/** The name of a property or hop that was passed without calling it. */
function calledName(given: unknown): string | undefined {
  if (typeof given !== "function") return undefined;
  if ("definition" in given) return (given.definition as { readonly name: string }).name;
  return hopDefinitions.get(given.name) ? `via.${given.name}` : undefined;
}

export const shown = (given: unknown): string =>
  typeof given === "function"
    ? `the function ${given.name || "(anonymous)"}`
    : inspect(given, { depth: 1, breakLength: Number.POSITIVE_INFINITY }).slice(0, 80);
