import { InvalidArguments } from "../model/errors";
import type { DeployEvent } from "../model/events";
import type { Hop } from "../model/hop";
import type { PropApp } from "../model/property";
import { type FleetReport, fleetReport, type Report } from "../model/report";
import { planAfter } from "./bound-plan";
import { HostRun } from "./host-run";
import { failedIn, type LeftOut } from "./leave-out";
import { RehearsalRun } from "./rehearsal-run";
import type { DeployRequest, HostPlan } from "./request";
import { type Again, session } from "./session";

/** A running deployment, returned by `deploy`. Subscribe to its events; await it to get its report. */
export class Deployment<R extends Report | FleetReport> implements PromiseLike<R> {
  readonly hosts: readonly string[];
  /** The given hops, which replace the hosts' own; empty: each host uses its own. */
  readonly hops: readonly Hop[];
  /** The given applications, which are deployed besides the hosts' own, or instead of them. */
  readonly applications: readonly PropApp[];
  readonly #request: DeployRequest;
  /** The applications that are skipped this time, by host. */
  readonly #leftOut: ReadonlyMap<string, readonly LeftOut[]>;
  readonly #runs: readonly Pick<HostRun, "cancellation" | "perform" | "refuse">[];
  readonly #events: DeployEvent[] = [];
  readonly #listeners = new Set<(event: DeployEvent) => void>();
  readonly #result: Promise<R>;
  #over = false;

  constructor(request: DeployRequest, leftOut: ReadonlyMap<string, readonly LeftOut[]> = new Map()) {
    this.hosts = request.hosts.map(({ name }) => name);
    this.hops = request.hops;
    this.applications = request.applications;
    this.#request = request;
    this.#leftOut = leftOut;
    const emit = (event: DeployEvent) => this.#emit(event);
    const Run = request.rehearsal ? RehearsalRun : HostRun;
    this.#runs = request.hosts.map((host) => new Run(host, request, leftOut.get(host.name) ?? [], emit));
    this.#result = this.#perform();
  }

  async #perform(): Promise<R> {
    const started = performance.now();
    // Start asynchronously, so that the caller can subscribe first.
    await Promise.resolve();
    try {
      const refresh = session.consfig?.refresh();
      const reports = await Promise.all(
        this.#runs.map((run) => (refresh?.error ? run.refuse(refresh.error) : run.perform())),
      );
      return (this.#request.fleet ? fleetReport(reports, performance.now() - started) : reports[0]) as R;
    } finally {
      this.#over = true;
      session.deployments.delete(this);
    }
  }

  /** Calls `listener` with every event, past ones included. Returns a function that unsubscribes. */
  subscribe(listener: (event: DeployEvent) => void): () => void {
    for (const event of this.#events) listener(event);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Starts no further steps; running steps finish. */
  stop(): void {
    for (const run of this.#runs) run.cancellation.request("stop");
  }

  /** Starts no further steps and ends the running ones. */
  cancel(): void {
    for (const run of this.#runs) run.cancellation.request("cancel");
  }

  /**
   * Deploys again, to the hosts of `reports` only; properties that already hold are unchanged. In a deployment that is bound
   * to a plan, those that have begun may hold now.
   */
  again(
    reports: readonly Report[],
    { leaveOut = false, accept = false, plan = false }: Again = {},
  ): Deployment<R> {
    const leftOut = new Map(this.#leftOut);
    for (const report of leaveOut ? reports : []) {
      const more = failedIn(report, "left out after it failed, as requested");
      leftOut.set(report.host, [...(leftOut.get(report.host) ?? []), ...more]);
    }
    const hosts = this.#request.hosts.filter(({ name }) => reports.some(({ host }) => host === name));
    const { bound: before, ...request } = this.#request;
    const bound = before && !plan && { bound: boundAgain(before, reports, accept) };
    const anew = plan && { plan, strict: [...(before?.values() ?? [])].some((each) => each.strict) };
    const deployment = new Deployment<R>({ ...request, hosts, ...bound, ...anew }, leftOut);
    session.begin(deployment);
    return deployment;
  }

  /** See `DeployRequest.adHoc`. */
  get adHoc(): DeployRequest["adHoc"] {
    return this.#request.adHoc;
  }

  /** True once the deployment has finished. */
  get over(): boolean {
    return this.#over;
  }

  /** Makes the deployment awaitable. The prompt awaits it automatically. */
  then<A = R, B = never>(
    done?: ((result: R) => A | PromiseLike<A>) | null,
    failed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(done, failed);
  }

  #emit(event: DeployEvent): void {
    this.#events.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}

function boundAgain(
  plans: ReadonlyMap<string, HostPlan>,
  reports: readonly Report[],
  accept: boolean,
): ReadonlyMap<string, HostPlan> {
  const bound = new Map(plans);
  for (const report of reports) {
    const plan = plans.get(report.host);
    if (plan) bound.set(report.host, planAfter(plan, report, accept));
  }
  return bound;
}

/** Fields that only the report has: reading one on a deployment would silently be `undefined`. */
for (const name of [
  "ok",
  "status",
  "changed",
  "failed",
  "skipped",
  "steps",
  "failure",
  "ms",
  "reports",
  "rehearsal",
]) {
  Object.defineProperty(Deployment.prototype, name, {
    get() {
      throw new InvalidArguments(
        `a running deployment has no \`${name}\`; await its report: (await deploy(…)).${name}`,
      );
    },
  });
}
