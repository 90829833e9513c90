import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { type AgentConnection, isAgentConnection } from "../agent/client/connection";
import type { AgentLink } from "../agent/client/link";
import { isAgentRunning } from "../agent/client/running";
import { eseqprops, seqprops } from "../combinators";
import { refuseUnsupported } from "../engine/fit";
import { applyHere } from "../engine/hops";
import { type PreparedHost, prepare } from "../engine/prepare";
import { requiredBy } from "../model/application";
import { Cancellation } from "../model/cancellation";
import type { Connection } from "../model/connection";
import { Cancelled, ConnectionFailed, failureOf, InapplicableProperty } from "../model/errors";
import type { DeployEvent, StepEvent } from "../model/events";
import { type Hop, hopAsCode } from "../model/hop";
import { agentIndex } from "../model/hop-chain";
import { type Host, HostModel, hosts, shared } from "../model/host";
import { cleanEvent, cleanFailure } from "../model/host-events";
import { type JobOutcome, outcomeStatus, type PlanOrigin } from "../model/job";
import type { Nested, PropApp } from "../model/property";
import { type Report, Reporter } from "../model/report";
import { rememberAgent } from "./agents";
import { applicablePrefix } from "./applicable-prefix";
import { controllerArtifacts } from "./artifacts";
import { bindable, comparison, definitionDigest, planKey } from "./bound-plan";
import { lease, type leaseContext } from "./leases";
import { type LeftOut, leavingOut } from "./leave-out";
import { refuseModules } from "./module-check";
import type { Lease } from "./pool";
import type { DeployRequest, HostPlan } from "./request";
import { session } from "./session";
import { mapFailure, mapPositions } from "./source-positions";

/** The deployment of one host. */
export class HostRun {
  readonly cancellation = new Cancellation();
  readonly #host: string;
  readonly #deployment = randomBytes(6).toString("hex");
  readonly #reporter = new Reporter();
  readonly #started = performance.now();
  readonly #verbose = session.verbose;
  readonly #diff = session.diff;
  readonly #key = planKey();

  /** `subject`: the name of a host in the consfig, or a host made with `makeHost`. */
  constructor(
    private readonly subject: Pick<Host, "name"> | Host,
    private readonly request: DeployRequest,
    private readonly leftOut: readonly LeftOut[],
    private readonly emitAll: (event: DeployEvent) => void,
  ) {
    this.#host = subject.name;
  }

  /** Prepares, connects, applies the host here or hands it to the agent, and reports. Never rejects. */
  async perform(): Promise<Report> {
    let leased: Lease | undefined;
    try {
      const { chain: whole, prepared } = this.#prepare();
      this.#reportStart(whole, prepared);
      const chain = this.request.plan ? await this.#withoutIdleAgent(whole, prepared.model) : whole;
      const { here, work } = this.#split(chain, prepared);
      this.#reportDrift(work);
      leased = await this.#connect(prepared.model, here, work);
      const outcome = await this.#apply(leased.connection, work, here);
      const report = this.#finish(outcome);
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

  /** The report of a host that was refused before connecting, because of `error`. */
  async refuse(error: Error): Promise<Report> {
    return this.#fail(
      error instanceof InapplicableProperty
        ? error
        : new InapplicableProperty(error.message, { cause: error }),
    );
  }

  /** Makes all checks that need no connection. Throws `InapplicableProperty`, with all complaints. */
  #prepare(): { chain: readonly Hop[]; prepared: PreparedHost } {
    const { scope, hops } = this.request;
    const defined = this.#definition();
    const chain = hops.length > 0 ? hops : defined?.deploy;
    if (!chain) throw noHops(this.#host);
    const whole = this.#preparedTree(defined ?? { name: this.#host, applications: [] });
    const prepared = scope === "posix prefix" ? applicablePrefix(whole, chain) : whole;
    refuseUnsupported(prepared.name, prepared.application, chain);
    refuseModules(prepared);
    return { chain, prepared };
  }

  /** The host as the consfig defines it now, or the given `makeHost` value. Undefined for a name without definition. */
  #definition(): Host | undefined {
    const made = "made" in this.subject && this.subject.made ? this.subject : undefined;
    const defined = made ?? hosts.get(this.#host);
    if (!defined && this.request.scope !== "only these") throw noHost(this.#host);
    return defined;
  }

  #preparedTree(host: Pick<Host, "name" | "applications">): PreparedHost {
    const { scope, applications } = this.request;
    const apply = (application: PropApp) => leavingOut(application, this.leftOut);
    if (scope !== "only these") {
      const further = applications.length > 0 ? [eseqprops(...applications)] : [];
      return prepare(host, apply(seqprops(...host.applications, ...further)));
    }
    const { model } = prepare(host, seqprops(...host.applications));
    return prepare(host, apply(eseqprops(...applications)), model.without(shared.data));
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

  #reportStart(chain: readonly Hop[], { steps }: PreparedHost): void {
    this.#emit({
      kind: "deployment-started",
      at: new Date().toISOString(),
      hops: chain.map(hopAsCode),
      steps,
      ...(this.request.plan && { plan: true }),
      ...(this.#diff && { diff: true }),
      ...(this.#verbose && { verbose: true }),
    });
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
    return { signal: this.cancellation.signal, progress: (event) => this.#emit(event) };
  }

  #apply(connection: Connection, work: Nested, here: readonly Hop[]): Promise<JobOutcome> {
    if (isAgentConnection(connection)) return this.#handOver(connection, work, here);
    const context = {
      deployment: this.#deployment,
      by: controller(),
      verbose: this.#verbose,
      artifacts: controllerArtifacts,
      ask: session.ask,
      cancellation: this.cancellation,
      plan: this.#plan,
      bound: this.#bound,
      held: [],
    };
    return applyHere(work, { connection, ownProcess: false }, context, (event) => this.#emit(event));
  }

  async #handOver({ agent }: AgentConnection, work: Nested, here: readonly Hop[]): Promise<JobOutcome> {
    rememberAgent(this.#host, here);
    const job = {
      ...work,
      deployment: this.#deployment,
      by: controller(),
      ...(this.#verbose && { verbose: true }),
      ...(this.#plan && { plan: this.#plan }),
      ...(this.#bound && { bound: this.#bound }),
    };
    const sources = agent.sources(controllerArtifacts, ...requiredBy(work));
    this.cancellation.throwIfRequested();
    return agent.apply(job, sources, {
      host: this.#host,
      emit: (event) => this.#emit(event),
      reopen: (signal) => this.#reopenAgent(work, here, signal),
      cancellation: this.cancellation,
    });
  }

  async #reopenAgent(work: Nested, here: readonly Hop[], signal: AbortSignal): Promise<AgentLink> {
    const options = { ...this.#leaseOptions(), signal };
    const { connection, release } = await lease(new HostModel(work.host), here, options);
    release();
    if (isAgentConnection(connection)) return connection.agent;
    throw new ConnectionFailed(connection.description, "its agent no longer answers");
  }

  get #plan(): PlanOrigin | undefined {
    return this.request.plan ? { after: [], key: this.#key } : undefined;
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

  #finish(outcome: JobOutcome): Report {
    const message = this.cancellation.reason ?? "the deployment was cancelled";
    const cancelled = outcome.cancelled ? { name: "Cancelled", message } : undefined;
    return this.#end(outcomeStatus(outcome), outcome.failure ?? cancelled);
  }

  #fail(error: unknown): Report {
    const status =
      error instanceof Cancelled ? "cancelled" : error instanceof InapplicableProperty ? "refused" : "failed";
    return this.#end(status, failureOf(error));
  }

  #end(status: Report["status"], failure: Report["failure"]): Report {
    const ms = Math.round(performance.now() - this.#started);
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
    return report(status);
  }

  #emit(event: StepEvent): void {
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

const noHops = (name: string): InapplicableProperty =>
  new InapplicableProperty(
    `${name} has no hops, and none were given; write deploy(host, via.ssh({ user: "root" }), via.agent()), or add { deploy: […] } to its defhost`,
  );

function noHost(name: string): InapplicableProperty {
  const short = hosts.names().filter((each) => each.startsWith(`${name}.`));
  const near = short.length > 0 ? short : hosts.similar(name);
  const hint =
    near.length > 0 ? `did you mean ${near.join(" or ")}?` : "is it defined in hosts/ of the consfig?";
  return new InapplicableProperty(`there is no host ${name}; ${hint}`);
}

const controller = (): string => `${userInfo().username}@${hostname()}`;
