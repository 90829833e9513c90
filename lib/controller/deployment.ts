import { InvalidArguments } from "../model/errors";
import type { DeployEvent } from "../model/events";
import type { Hop } from "../model/hop";
import { type FleetReport, fleetReport, type Report } from "../model/report";
import { HostRun } from "./host-run";
import { failedIn, type LeftOut } from "./leave-out";
import type { DeployRequest } from "./request";
import { session } from "./session";

/** One call of `deploy`: its events as they come, its report in the end. Await it as a promise. */
export class Deployment<R extends Report | FleetReport> implements PromiseLike<R> {
  readonly hosts: readonly string[];
  /** The hops that were given, in place of the hosts' own; none: each host has its own. */
  readonly hops: readonly Hop[];
  readonly #request: DeployRequest;
  /** What is not applied this time, by host. */
  readonly #leftOut: ReadonlyMap<string, readonly LeftOut[]>;
  readonly #runs: readonly HostRun[];
  readonly #events: DeployEvent[] = [];
  readonly #listeners = new Set<(event: DeployEvent) => void>();
  readonly #result: Promise<R>;
  #over = false;

  constructor(request: DeployRequest, leftOut: ReadonlyMap<string, readonly LeftOut[]> = new Map()) {
    this.hosts = request.hosts.map(({ name }) => name);
    this.hops = request.hops;
    this.#request = request;
    this.#leftOut = leftOut;
    const emit = (event: DeployEvent) => this.#emit(event);
    this.#runs = request.hosts.map((host) => new HostRun(host, request, leftOut.get(host.name) ?? [], emit));
    this.#result = this.#perform();
  }

  async #perform(): Promise<R> {
    const started = performance.now();
    // In the next turn, so that the caller can subscribe first.
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

  /** Hears every event, past ones too. Returns what ends that. */
  subscribe(listener: (event: DeployEvent) => void): () => void {
    for (const event of this.#events) listener(event);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** No further step starts; the running ones go on to their end. */
  stop(): void {
    for (const run of this.#runs) run.cancellation.request("stop");
  }

  /** The running steps are ended too. */
  cancel(): void {
    for (const run of this.#runs) run.cancellation.request("cancel");
  }

  /**
   * The same once more, on the hosts of `reports` only: what holds there already is left as it is. With `leaveOut`,
   * what failed in `reports` is skipped, as is what was left out before.
   */
  again(reports: readonly Report[], { leaveOut = false } = {}): Deployment<R> {
    const leftOut = new Map(this.#leftOut);
    for (const report of leaveOut ? reports : []) {
      const more = failedIn(report, "left out, as you asked after it failed");
      leftOut.set(report.host, [...(leftOut.get(report.host) ?? []), ...more]);
    }
    const hosts = this.#request.hosts.filter(({ name }) => reports.some(({ host }) => host === name));
    const deployment = new Deployment<R>({ ...this.#request, hosts }, leftOut);
    session.begin(deployment);
    return deployment;
  }

  get over(): boolean {
    return this.#over;
  }

  /** The prompt awaits it by itself. */
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

/** What a report has and a deployment has not: reading it would give `undefined` without a word. */
for (const name of ["ok", "status", "changed", "failed", "skipped", "steps", "failure", "ms", "reports"]) {
  Object.defineProperty(Deployment.prototype, name, {
    get() {
      throw new InvalidArguments(
        `a deployment has no \`${name}\` before it is over; await its report: (await deploy(…)).${name}`,
      );
    },
  });
}
