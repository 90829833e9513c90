import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { type AgentConnection, isAgentConnection } from "../agent/client/connection";
import type { AgentLink } from "../agent/client/link";
import { isAgentRunning } from "../agent/client/running";
import { getData } from "../data/lookup";
import type { DeploymentContext } from "../engine/deployment-context";
import { applyHere } from "../engine/hops";
import type { PreparedHost } from "../engine/prepare";
import { JobAnswers } from "../engine/questions";
import type { TakeOver } from "../engine/take-over";
import { requiredBy } from "../model/application";
import { Cancellation } from "../model/cancellation";
import type { Connection } from "../model/connection";
import { type AvailableDatum, availableDatumAsText } from "../model/data-names";
import { Cancelled, ConnectionFailed, failureOf, InapplicableProperty } from "../model/errors";
import type { DeployEvent, StepEvent } from "../model/events";
import { type Hop, hopAsCode, hopDefinition } from "../model/hop";
import { agentIndex } from "../model/hop-chain";
import { type Host, HostModel } from "../model/host";
import { cleanEvent, cleanFailure } from "../model/host-events";
import { type JobOutcome, outcomeStatus, type PlanOrigin, type Resumption } from "../model/job";
import type { Nested } from "../model/property";
import { type Report, Reporter } from "../model/report";
import { rememberAgent } from "./agents";
import { controllerArtifacts } from "./artifacts";
import { bindable, comparison, definitionDigest, planKey, recordDeviation } from "./bound-plan";
import { reported } from "./data-progress";
import { type Contact, FirstContact } from "./first-contact";
import { lease, type leaseContext } from "./leases";
import type { LeftOut } from "./leave-out";
import type { Lease } from "./pool";
import { prepareDeployment } from "./prepared-deployment";
import { Questions } from "./questions";
import { returned } from "./reboot-wait";
import { changedFiles, fileComparison } from "./rehearsed";
import type { DeployRequest, HostPlan } from "./request";
import { availableData } from "./required-data";
import { session } from "./session";
import { mapFailure, mapPositions } from "./source-positions";

/** What a deployment of one host is a part of. */
export interface HostRunOptions {
  readonly cancellation?: Cancellation;
  readonly deployment?: string;
  /** Called with the connection over which everything is applied: before, and once all of it was, after. */
  before?(connection: Connection): Promise<void>;
  after?(connection: Connection, emit: (event: StepEvent) => void): Promise<void>;
}

/** The deployment of one host. */
export class HostRun {
  readonly cancellation: Cancellation;
  readonly #questions: Questions;
  readonly #host: string;
  readonly #deployment: string;
  readonly #reporter = new Reporter();
  readonly #started = performance.now();
  readonly #verbose = session.verbose;
  readonly #diff = session.diff;
  readonly #key = planKey();
  #isOver = false;

  /** `subject`: the name of a host in the consfig, or a host made with `makeHost`. */
  constructor(
    private readonly subject: Pick<Host, "name"> | Host,
    private readonly request: DeployRequest,
    private readonly leftOut: readonly LeftOut[],
    private readonly emitAll: (event: DeployEvent) => void,
    private readonly options: HostRunOptions = {},
  ) {
    this.#host = subject.name;
    this.#deployment = options.deployment ?? randomBytes(6).toString("hex");
    this.cancellation = options.cancellation ?? new Cancellation();
    this.#questions = new Questions(this.cancellation);
  }

  /** Prepares, connects, applies the host here or hands it to the agent, and reports. Never rejects. */
  async perform(): Promise<Report> {
    let leased: Lease | undefined;
    try {
      const { chain: whole, prepared } = prepareDeployment(this.subject, this.request, this.leftOut);
      const data = await availableData(prepared);
      this.#reportStart(whole, prepared, data);
      const chain = this.request.plan ? await this.#withoutIdleAgent(whole, prepared.model) : whole;
      const { here, work } = this.#split(chain, prepared);
      this.#reportDrift(work);
      leased = await this.#connect(prepared.model, here, work);
      await this.options.before?.(leased.connection);
      const outcome = await this.#apply(leased.connection, work, here);
      if (!outcome.cancelled && !outcome.failure && !outcome.deviated)
        await this.#compared(leased.connection);
      if (outcome.rebootsFrom !== undefined && !this.request.plan) {
        leased.release();
        await this.#returned(prepared.model, here, outcome.rebootsFrom);
      }
      const report = this.#finish(outcome);
      if (outcome.deviated) recordDeviation(report, outcome.deviated);
      if (!this.request.plan || outcome.failure || outcome.cancelled) return report;
      return bindable(report, this.request, {
        key: this.#key,
        definition: definitionDigest(work),
        ...(outcome.boot !== undefined && { boot: outcome.boot }),
      });
    } catch (error) {
      return this.#fail(error);
    } finally {
      leased?.release();
    }
  }

  /** Waits for a host that reboots. */
  async #returned(model: HostModel, here: readonly Hop[], boot: string): Promise<void> {
    const since = performance.now();
    this.#emit({ kind: "waiting", reason: `${this.#host} reboots; waiting until it is back` });
    await returned(model, here, boot, this.#leaseOptions());
    const seconds = Math.round((performance.now() - since) / 1000);
    this.#emit({ kind: "notice", text: `${this.#host} has rebooted, and is back after ${seconds} s` });
  }

  /** The report of a host that was refused before connecting, because of `error`. */
  async refuse(error: Error): Promise<Report> {
    return this.#fail(
      error instanceof InapplicableProperty
        ? error
        : new InapplicableProperty(error.message, { cause: error }),
    );
  }

  /** A plan starts no agent, and leaves none: where none runs, the host is asked over the shell. */
  async #withoutIdleAgent(chain: readonly Hop[], model: HostModel): Promise<readonly Hop[]> {
    const at = agentIndex(chain);
    if (at < 0 || session.connections.isOpen(chain.slice(0, at + 1), this.#host)) return chain;
    const { connection, release } = await lease(model, chain.slice(0, at), this.#leaseOptions());
    try {
      if (await isAgentRunning(connection)) return chain;
    } finally {
      release();
    }
    this.#emit({ kind: "notice", text: `no agent runs on ${this.#host}, so it is planned over the shell` });
    return chain.filter((_, index) => index !== at);
  }

  #reportStart(chain: readonly Hop[], { steps }: PreparedHost, data: readonly AvailableDatum[]): void {
    this.#emit({
      kind: "deployment-started",
      at: new Date().toISOString(),
      hops: chain.map(hopAsCode),
      steps,
      ...(this.request.plan && { plan: true, data }),
      ...(this.request.rehearsal && { rehearsal: true }),
      ...(this.#diff && { diff: true }),
      ...(this.#verbose && { verbose: true }),
    });
    if (this.request.plan && data.length > 0)
      this.#emit({ kind: "notice", text: `needs the data ${data.map(availableDatumAsText).join("; ")}` });
  }

  /** `here`: the hops up to the first agent, which the controller opens; the agent opens the others. */
  #split(
    chain: readonly Hop[],
    { model, application }: PreparedHost,
  ): { here: readonly Hop[]; work: Nested } {
    const end = agentIndex(chain) + 1 || chain.length;
    return {
      here: chain.slice(0, end),
      work: { host: model.toJSON(), application, hops: chain.slice(end) },
    };
  }

  async #connect(model: HostModel, here: readonly Hop[], work: Nested): Promise<Lease> {
    const opening = lease(model, here, this.#leaseOptions());
    // Collect the sources while the connection is being opened, unless it is open already.
    const collecting = setImmediate(() => collectSources(work, here));
    return opening.finally(() => clearImmediate(collecting));
  }

  #leaseOptions(): Parameters<typeof leaseContext>[1] {
    const { ask } = this.#questions;
    return { signal: this.cancellation.signal, progress: (event) => this.#emit(event), ...(ask && { ask }) };
  }

  async #apply(connection: Connection, work: Nested, here: readonly Hop[]): Promise<JobOutcome> {
    if (!isAgentConnection(connection)) return this.#applyOverShell(connection, work);
    if (connection.agent) return this.#handOver(connection.agent, work, here);
    if (work.hops.length > 0 || this.#bound) return this.#handOver(await connection.arrived(), work, here);
    if (this.#plan) return this.#applyOverShell(connection.parent, work);
    return this.#beginOverShell(connection, work, here);
  }

  #applyOverShell(
    connection: Connection,
    work: Nested,
    takeOver?: TakeOver,
    emit = (event: StepEvent) => this.#emit(event),
  ): Promise<JobOutcome> {
    const applied = session.applyingHere?.();
    const origin = { connection, ownProcess: false };
    return applyHere(work, origin, { ...this.#context(), takeOver }, emit).finally(applied);
  }

  #beginOverShell(connection: AgentConnection, work: Nested, here: readonly Hop[]): Promise<JobOutcome> {
    connection.arrival.then(
      () => this.#remember(here),
      () => {},
    );
    const contact: Contact = {
      host: this.#host,
      deployment: this.#deployment,
      by: controller(),
      work,
      connection,
      cancellation: this.cancellation,
      emit: (event) => this.#emit(event),
      applyOverShell: (takeOver, emit) => this.#applyOverShell(connection.parent, work, takeOver, emit),
      handOver: (agent, resumed, held) => this.#handOver(agent, work, here, resumed, held),
      reopen: (signal) => this.#reopenAgent(work, here, signal),
    };
    return new FirstContact(contact).perform();
  }

  #context(): DeploymentContext {
    return {
      deployment: this.#deployment,
      by: controller(),
      verbose: this.#verbose,
      artifacts: controllerArtifacts,
      ask: this.#questions.ask,
      data: async (iden1, iden2, planning) => {
        const datum = await getData(iden1, iden2, planning, { ask: this.#questions.ask });
        return reported(datum, `the data (${iden1}, ${iden2})`, (event) => this.#emit(event));
      },
      cancellation: this.cancellation,
      plan: this.#plan,
      bound: this.#bound,
      held: [],
    };
  }

  async #handOver(
    agent: AgentLink,
    work: Nested,
    here: readonly Hop[],
    resumed?: Resumption,
    held: readonly string[] = [],
  ): Promise<JobOutcome> {
    this.#remember(here);
    const job = {
      ...work,
      deployment: this.#deployment,
      by: controller(),
      ...(session.ask && { attended: true }),
      ...(this.#verbose && { verbose: true }),
      ...(this.#plan && { plan: this.#plan }),
      ...(this.#bound && { bound: this.#bound }),
      ...(resumed && { resumed }),
      ...(held.length > 0 && { held }),
    };
    const sources = agent.sources(controllerArtifacts, ...requiredBy(work));
    this.cancellation.throwIfRequested();
    return agent.apply(job, sources, {
      host: this.#host,
      emit: (event) => this.#emit(event),
      answers: new JobAnswers(work, this.#context()),
      reopen: (signal) => this.#reopenAgent(work, here, signal),
      cancellation: this.cancellation,
    });
  }

  /** In a clone, the agent ends with it. */
  #remember(here: readonly Hop[]): void {
    if (!here.some((hop) => hopDefinition(hop).ephemeral)) rememberAgent(this.#host, here);
  }

  async #reopenAgent(work: Nested, here: readonly Hop[], signal: AbortSignal): Promise<AgentLink> {
    const options = { ...this.#leaseOptions(), signal };
    const { connection, release } = await lease(new HostModel(work.host), here, options);
    release();
    if (isAgentConnection(connection)) return connection.agent ?? connection.arrived();
    throw new ConnectionFailed(connection.description, "its agent no longer answers");
  }

  get #plan(): PlanOrigin | undefined {
    const { plan, paths } = this.request;
    return plan ? { after: [], key: this.#key, ...(paths && { paths }) } : undefined;
  }

  get #bound(): HostPlan | undefined {
    return this.request.bound?.get(this.#host);
  }

  /** Says first what has changed since the plan was made. */
  #reportDrift(work: Nested): void {
    const plan = this.#bound;
    if (!plan || plan.definition === definitionDigest(work)) return;
    const text = `the definition of ${this.#host} has changed since it was planned at ${plan.at}; steps that are not in the plan are refused`;
    this.#emit({ kind: "notice", text });
  }

  /** What is to be said of the files of the host once everything has been applied. */
  async #compared(connection: Connection): Promise<void> {
    await this.options.after?.(connection, (event) => this.#emit(event));
    const bound = this.#bound;
    if (!bound?.rehearsed) return;
    const text = await fileComparison(connection, bound, changedFiles(this.#reporter.steps)).catch(
      (error: Error) => `the files cannot be compared with the rehearsal: ${error.message}`,
    );
    this.#emit({ kind: "notice", text });
  }

  #finish(outcome: JobOutcome): Report {
    const message = this.cancellation.reason ?? "the deployment was cancelled";
    const cancelled = outcome.cancelled ? { name: "Cancelled", message } : undefined;
    return this.#end(outcomeStatus(outcome), outcome.failure ?? cancelled);
  }

  #fail(given: unknown): Report {
    const { reason } = this.cancellation;
    // Without the answer to a question that was withdrawn, a stopped deployment cannot connect.
    const error = reason !== undefined && given instanceof ConnectionFailed ? new Cancelled(reason) : given;
    const status =
      error instanceof Cancelled ? "cancelled" : error instanceof InapplicableProperty ? "refused" : "failed";
    return this.#end(status, failureOf(error));
  }

  #end(status: Report["status"], failure: Report["failure"]): Report {
    const ms = Math.round(performance.now() - this.#started - this.#questions.waited);
    const report = (final: Report["status"]) =>
      this.#reporter.finish(
        this.#host,
        this.#deployment,
        final,
        ms,
        failure && mapFailure(cleanFailure(failure)),
      );
    if (this.#bound && status !== "refused")
      this.#emit({ kind: "notice", text: comparison(report(status).steps, this.#bound) });
    this.#emit({ kind: "deployment-ended", status, ms, ...(failure && { failure }) });
    this.#isOver = true;
    return report(status);
  }

  #emit(event: StepEvent): void {
    // The agent may still be on its way.
    if (this.#isOver) return;
    const mapped = mapPositions(cleanEvent(event));
    this.#reporter.add(mapped);
    this.emitAll({ host: this.#host, deployment: this.#deployment, ...withoutDigest(mapped) } as DeployEvent);
  }
}

/** Digests are for the plan alone: see `BoundPlan.key`. */
function withoutDigest(event: StepEvent): StepEvent {
  if (event.kind !== "step-changed" || event.change.kind !== "file") return event;
  const { digest: _digest, ...change } = event.change;
  return { ...event, change };
}

/** Builds and caches the sources that an agent at the end of `hops` needs. */
function collectSources(work: Nested, hops: readonly Hop[]): void {
  if (agentIndex(hops) < 0) return;
  try {
    controllerArtifacts.sources(...requiredBy(work));
  } catch {
    // Reported when the sources are sent.
  }
}

const controller = (): string => `${userInfo().username}@${hostname()}`;
