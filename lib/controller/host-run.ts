import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { type AgentConnection, isAgentConnection } from "../agent/client/connection";
import type { AgentLink } from "../agent/client/link";
import { seqprops } from "../combinators";
import { refuseUnfit } from "../engine/fit";
import { applyHere, type Course } from "../engine/hops";
import { type PreparedHost, prepare } from "../engine/prepare";
import { appliedAnywhere, asWritten, modulesOf, requiredBy } from "../model/application";
import {
  Cancelled,
  ConnectionFailed,
  type Failure,
  failureOf,
  InapplicableProperty,
  Refused,
} from "../model/errors";
import type { DeployEvent, StepEvent } from "../model/events";
import { type Hop, type HopContext, hopAsCode, hops as hopDefinitions } from "../model/hop";
import { type Host, type HostFacts, HostModel, hosts, shared } from "../model/host";
import { type Job, type JobOutcome, type JobSignal, stoppedBy } from "../model/job";
import type { Nested, PropApp } from "../model/property";
import { type Report, Reporter } from "../model/report";
import { rememberAgent } from "./agents";
import { leading } from "./applicable-prefix";
import { controllerKit } from "./artifacts";
import type { Lease } from "./pool";
import { session } from "./session";

/** How one host is deployed. */
export interface Manner {
  /** True: the host's own properties are asked for facts, and others applied. */
  readonly usualFacts?: boolean;
  /** True: as far as can be at the end of the chain; the rest is reported as skipped, not refused. */
  readonly asFarAsFits?: boolean;
}

/** One host in one deployment. */
export class HostRun {
  readonly #host: string;
  readonly #deployment = randomBytes(6).toString("hex");
  readonly #emitAll: (event: DeployEvent) => void;
  readonly #reporter = new Reporter();
  readonly #started = performance.now();
  readonly #verbose = session.verbose;
  readonly #abort = new AbortController();
  #stopped: string | undefined;
  /** What passes a signal on to where the work is. */
  readonly #workers = new Set<(signal: JobSignal) => void>();

  constructor(host: string, emit: (event: DeployEvent) => void) {
    this.#host = host;
    this.#emitAll = emit;
  }

  get host(): string {
    return this.#host;
  }

  /** The life of one deployment, from the consfig to the report. Never rejects. `made`: a host that is not in the consfig. */
  async perform(
    given: readonly Hop[],
    choose: (host: Pick<Host, "applications">) => PropApp,
    { usualFacts = false, asFarAsFits = false }: Manner,
    made?: Host,
  ): Promise<Report> {
    let lease: Lease | undefined;
    try {
      const defined = made ?? hosts.get(this.#host);
      if (!defined && !usualFacts) throw noHost(this.#host);
      const chain = this.#chain(given, defined);
      const whole = this.#prepared(defined, choose, usualFacts);
      const prepared = asFarAsFits ? leading(whole, chain) : whole;
      refuseUnfit(prepared.name, prepared.application, chain);
      refuseModules(prepared);
      this.#emit({
        kind: "deployment-started",
        at: new Date().toISOString(),
        hops: chain.map(hopAsCode),
        steps: prepared.steps,
        ...(this.#verbose && { verbose: true }),
      });
      const [here, behind] = atAgent(chain);
      const work = { host: prepared.model.toJSON(), application: prepared.application, hops: behind };
      const opening = this.#lease(prepared.model, here);
      // While a host is being reached there is time to gather what it will need; one that is reached is not kept waiting.
      const early = setImmediate(() => gather(work, here));
      lease = await opening.finally(() => clearImmediate(early));
      const { connection } = lease;
      const outcome = isAgentConnection(connection)
        ? await this.#throughAgent(connection, work, here)
        : await applyHere(work, { connection, ownProcess: false }, this.#course(), (event) =>
            this.#emit(event),
          );
      return this.#finish(outcome);
    } catch (error) {
      return this.#failed(error);
    } finally {
      lease?.release();
    }
  }

  /** The report of a host that nobody was connected to, and why. */
  async refuse(error: Error): Promise<Report> {
    return this.#failed(
      error instanceof InapplicableProperty
        ? error
        : new InapplicableProperty(error.message, { cause: error }),
    );
  }

  signal(signal: JobSignal): void {
    this.#stopped ??= stoppedBy(signal);
    for (const pass of this.#workers) pass(signal);
    if (signal === "cancel") this.#abort.abort(new Cancelled(stoppedBy(signal)));
  }

  #chain(given: readonly Hop[], defined: Host | undefined): readonly Hop[] {
    const chain = given.length > 0 ? given : defined?.deploy;
    if (chain) return chain;
    throw new InapplicableProperty(
      `${this.#host} has no hops of its own, and none were given; say deploy(host, via.ssh({ user: "root" }), via.agent()), or give it { deploy: […] } in defhost`,
    );
  }

  #prepared(
    defined: Host | undefined,
    choose: (host: Pick<Host, "applications">) => PropApp,
    usualFacts: boolean,
  ): PreparedHost {
    const subject = defined ?? { name: this.#host, applications: [] };
    if (!usualFacts) return prepare(subject, choose(subject));
    const { model } = prepare(subject, seqprops(...subject.applications));
    return prepare(subject, choose(subject), model.without(shared.data));
  }

  #lease(host: HostFacts, chain: readonly Hop[]): Promise<Lease> {
    const context: Omit<HopContext, "parent"> = {
      host,
      ask: session.ask,
      signal: this.#abort.signal,
      kit: controllerKit,
      progress: (event) => this.#emit(event),
    };
    return session.connections.lease(chain, context);
  }

  async #throughAgent({ agent }: AgentConnection, work: Nested, chain: readonly Hop[]): Promise<JobOutcome> {
    rememberAgent(this.#host, chain);
    const job: Job = {
      ...work,
      deployment: this.#deployment,
      by: controller(),
      ...(this.#verbose && { verbose: true }),
    };
    const sources = agent.sources(controllerKit, ...requiredBy(work));
    if (this.#stopped) throw new Cancelled(this.#stopped);
    return agent.apply(job, sources, {
      host: this.#host,
      emit: (event) => this.#emit(event),
      again: () => this.#again(work, chain),
      signal: this.#abort.signal,
      workers: this.#workers,
    });
  }

  async #again(work: Nested, chain: readonly Hop[]): Promise<AgentLink> {
    const { connection, release } = await this.#lease(new HostModel(work.host), chain);
    release();
    if (isAgentConnection(connection)) return connection.agent;
    throw new ConnectionFailed(connection.description, "no agent answers behind it any more");
  }

  #course(): Course {
    return {
      deployment: this.#deployment,
      by: controller(),
      verbose: this.#verbose,
      kit: controllerKit,
      ask: session.ask,
      signal: this.#abort.signal,
      stopped: () => this.#stopped,
      workers: this.#workers,
    };
  }

  #finish({ change, failed, cancelled, failure }: JobOutcome): Report {
    const status = cancelled ? "cancelled" : failed || failure ? "failed" : change;
    const broken = cancelled
      ? { name: "Cancelled", message: this.#stopped ?? "it was cancelled" }
      : undefined;
    return this.#end(status, failure ?? broken);
  }

  #failed(error: unknown): Report {
    const status =
      error instanceof Cancelled ? "cancelled" : error instanceof InapplicableProperty ? "refused" : "failed";
    return this.#end(status, failureOf(error));
  }

  #end(status: Report["status"], failure: Report["failure"]): Report {
    const ms = Math.round(performance.now() - this.#started);
    this.#emit({ kind: "deployment-ended", status, ms, ...(failure && { failure }) });
    return this.#reporter.finish(this.#host, this.#deployment, status, ms, failure && mapped(failure));
  }

  #emit(event: StepEvent): void {
    const mapped = mapPositions(event);
    this.#reporter.add(mapped);
    this.#emitAll({ host: this.#host, deployment: this.#deployment, ...mapped } as DeployEvent);
  }
}

/** What an agent at the end of `chain` will be sent is looked up then; made when it is asked for the first time. */
function gather(work: Nested, chain: readonly Hop[]): void {
  const last = chain.at(-1);
  if (!last || !hopDefinitions.get(last.hop)?.agent) return;
  try {
    controllerKit.sources(...requiredBy(work));
  } catch {
    // Said when it is sent.
  }
}

/** The hops up to the first agent, and those that it opens itself. */
function atAgent(chain: readonly Hop[]): [here: readonly Hop[], behind: readonly Hop[]] {
  const at = chain.findIndex(({ hop }) => hopDefinitions.get(hop)?.agent);
  return at < 0 ? [chain, []] : [chain.slice(0, at + 1), chain.slice(at + 1)];
}

/** A module that cannot travel is complained of before anybody is connected to, by the line that asks for it. */
function refuseModules({ name, application }: PreparedHost): void {
  const { consfig } = session;
  const complaints = [...appliedAnywhere(application)].flatMap((each) =>
    modulesOf(each).flatMap((module) => {
      try {
        consfig?.manifest([], [], [module]);
        return [];
      } catch (error) {
        return [`${asWritten(each)}: ${error instanceof Error ? error.message : String(error)}`];
      }
    }),
  );
  if (complaints.length > 0) throw new Refused(name, complaints);
}

function noHost(name: string): InapplicableProperty {
  const short = hosts.names().filter((each) => each.startsWith(`${name}.`));
  const near = short.length > 0 ? short : hosts.similar(name);
  const hint =
    near.length > 0 ? `did you mean ${near.join(" or ")}?` : "is it defined in hosts/ of the consfig?";
  return new InapplicableProperty(`there is no host ${name}; ${hint}`);
}

/** What comes from the far side names compiled files there; people want their own lines. */
function mapPositions(event: StepEvent): StepEvent {
  const { consfig } = session;
  // What a property applies there was said in a compiled file.
  if (event.kind === "step-started" && consfig) return { ...event, site: consfig.mapPositions(event.site) };
  if (event.kind === "notice" && consfig) return { ...event, text: consfig.mapPositions(event.text) };
  if (!("failure" in event) || !event.failure) return event;
  return { ...event, failure: mapped(event.failure) };
}

function mapped(failure: Failure): Failure {
  const { consfig } = session;
  if (!consfig) return failure;
  const { message, stack } = failure;
  return {
    ...failure,
    message: consfig.mapPositions(message),
    ...(stack && { stack: consfig.mapPositions(stack) }),
  };
}

const controller = (): string => `${userInfo().username}@${hostname()}`;
