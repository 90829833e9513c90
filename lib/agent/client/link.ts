import type { AgentArtifacts, Sources } from "../../model/agent-artifacts";
import { cleanQuestion } from "../../model/clean-question";
import type { Channel } from "../../model/connection";
import { ConnectionFailed, FailedChange } from "../../model/errors";
import { cleanName, cleanOutcome, cleanReason, isCount, ProtocolViolation } from "../../model/host-events";
import type { Job, JobOutcome, JobSignal } from "../../model/job";
import { type Heartbeat, heartbeat } from "../shared/heartbeat";
import {
  type AgentStatus,
  type Answer,
  answerShapes,
  type Done,
  type Hello,
  type Holder,
  PROTOCOL,
  type Request,
  type TreeChange,
} from "../shared/messages";
import { encode, HOST_WIRE_LIMITS, openWire, type Wire } from "../shared/wire";
import { applyReconnecting, LinkLost, type Listener, type ReconnectOptions } from "./reconnect";
import { Trees } from "./trees";

/** How often a job is sent again to a host that does not have it. */
const MAX_RESENDS = 3;

/** How long an agent may take for its first message. */
const HELLO_TIMEOUT_MS = 30_000;

/** Reason when the transport gives none. */
const CONNECTION_LOST = "lost the connection to the host";

interface Running extends Listener {
  /** Number of events received. */
  received: number;
  resolve(outcome: JobOutcome): void;
  reject(error: Error): void;
  /** How often the job was sent again. */
  resends: number;
  /** True: it was stopped or cancelled, so it is never sent again. */
  stopped: boolean;
  resend(): void;
}

interface PendingRequest {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** The controller's end of a connection to an agent. */
export class AgentLink {
  readonly hello: Hello;
  readonly #channel: Channel;
  readonly #wire: Wire<Request>;
  readonly #trees: Trees;
  readonly #running = new Map<string, Running>();
  readonly #requests = new Map<number, PendingRequest>();
  readonly #heartbeat: Heartbeat;
  /** The properties applied over this connection: the spare worker on the host has them loaded. */
  readonly #properties = new Set<string>();
  readonly #hops = new Set<string>();
  #modules: readonly string[] = [];
  #lastRef = 0;
  #closedBy: Error | undefined;
  #resolveClosed: (reason: Error | undefined) => void = () => {};
  /** Settles when the connection ends. */
  readonly closed = new Promise<Error | undefined>((resolve) => {
    this.#resolveClosed = resolve;
  });

  /** Connects to a relay whose banner has been read. Rejects with `FailedChange` when its protocol differs. */
  static open(channel: Channel): Promise<AgentLink> {
    return new Promise((resolve, reject) => {
      let link: AgentLink | undefined;
      const timeout = setTimeout(() => {
        reject(new FailedChange(`the agent sent no message within ${HELLO_TIMEOUT_MS / 1000} s`));
        channel.kill();
      }, HELLO_TIMEOUT_MS);
      const wire: Wire<Request> = openWire<Answer, Request>(channel.stdout, channel.stdin, {
        shapes: answerShapes,
        limits: HOST_WIRE_LIMITS,
        onMessage: (answer) => {
          clearTimeout(timeout);
          if (link) return link.#handle(answer);
          if (answer.type !== "hello" || answer.protocol !== PROTOCOL) {
            reject(
              new FailedChange(
                `the agent on the host uses protocol version ${"protocol" in answer ? answer.protocol : "unknown"}, this session uses ${PROTOCOL}; remove the agent with .agents remove`,
              ),
            );
            return channel.kill();
          }
          link = new AgentLink(channel, wire, answer);
          resolve(link);
        },
        onEnd: (error) => {
          clearTimeout(timeout);
          const reason =
            error instanceof ProtocolViolation
              ? new FailedChange(`the connection to the agent was closed, because it sent ${error.message}`)
              : new LinkLost("via.agent()", error?.message ?? CONNECTION_LOST);
          reject(reason);
          if (link) link.#end(reason);
        },
      });
      // The channel may exit without an end of its streams.
      const onExit = (why = CONNECTION_LOST) => {
        const reason = new LinkLost("via.agent()", why);
        reject(reason);
        if (link) link.#end(reason);
      };
      channel.exit.then(
        () => onExit(),
        (error: Error) => onExit(error.message),
      );
    });
  }

  private constructor(channel: Channel, wire: Wire<Request>, hello: Hello) {
    this.#channel = channel;
    this.#wire = wire;
    this.hello = hello;
    this.#trees = new Trees(hello.trees);
    this.#heartbeat = heartbeat({
      pending: () => wire.pending,
      ping: () => wire.send({ type: "ping" }),
      onSilence: (ms) =>
        this.#end(
          new LinkLost("via.agent()", `the agent's relay did not answer for ${Math.round(ms / 1000)} s`),
        ),
    });
    void this.closed.then(() => this.#heartbeat.stop());
  }

  get alive(): boolean {
    return this.#closedBy === undefined;
  }

  /** Has the agent apply `job` with `sources`; reconnects when this connection is lost. */
  apply(job: Job, sources: Sources, options: ReconnectOptions): Promise<JobOutcome> {
    return applyReconnecting(this, job, sources, options);
  }

  /**
   * Has the agent apply `job`. The sources that the host does not have are sent in the same message: one round trip.
   * Rejects with `LinkLost` when the connection is lost: the job continues on the host, and `follow` on a new connection
   * receives the rest.
   */
  deploy(job: Job, sources: Sources, listener: Listener): Promise<JobOutcome> {
    const { send, resend } = this.#sending(job, sources);
    return this.#run(job, listener, 0, resend, () => send(this.#trees.change(sources)));
  }

  /** Receives the rest of a deployment after `received` events. Starts it if it never started. */
  follow(job: Job, sources: Sources, listener: Listener, received: number): Promise<JobOutcome> {
    const { resend } = this.#sending(job, sources);
    return this.#run(job, listener, received, resend, () =>
      this.#wire.send({ type: "follow", deployment: job.deployment, after: received - 1 }),
    );
  }

  #sending(job: Job, sources: Sources) {
    const packed = encode(job);
    const { hash: tree } = sources.manifest;
    const { deployment, by, held } = job;
    const given = { deployment, tree, by, job: packed, ...(held && { held }) };
    const send = (change: TreeChange | undefined) =>
      this.#wire.send({ type: "deploy", ...given, ...(change && { change }) });
    const resend = () => {
      this.#trees.forget(tree);
      send(this.#trees.whole(sources));
    };
    return { send, resend };
  }

  #run(
    job: Job,
    listener: Listener,
    received: number,
    resend: () => void,
    start: () => void,
  ): Promise<JobOutcome> {
    if (this.#closedBy) return Promise.reject(this.#closedBy);
    return new Promise<JobOutcome>((resolve, reject) => {
      this.#running.set(job.deployment, {
        ...listener,
        received,
        resends: 0,
        stopped: false,
        resolve,
        reject,
        resend,
      });
      start();
    }).finally(() => this.#running.delete(job.deployment));
  }

  /** Sources for these and all previously requested properties and hops, so that the tree on the host stays the same. */
  sources(
    artifacts: AgentArtifacts,
    properties: Iterable<string>,
    hops: Iterable<string>,
    modules: Iterable<string>,
  ): Sources {
    for (const property of properties) this.#properties.add(property);
    for (const hop of hops) this.#hops.add(hop);
    const requested = [...modules];
    if (requested.length > 0) this.#modules = requested;
    try {
      return artifacts.sources(this.#properties, this.#hops, this.#modules);
    } catch (error) {
      // A module of an earlier deployment is gone or unreadable, and this one does not need it.
      if (requested.length > 0 || this.#modules.length === 0) throw error;
      this.#modules = [];
      return artifacts.sources(this.#properties, this.#hops, []);
    }
  }

  signal(deployment: string, signal: JobSignal): void {
    const running = this.#running.get(deployment);
    if (running) running.stopped = true;
    if (!this.#closedBy) this.#wire.send({ type: "signal", deployment, signal });
  }

  /** Sends the `sources` that the host does not have; the agent then starts a spare worker with them. */
  async push(sources: Sources): Promise<void> {
    const change = this.#trees.change(sources);
    if (!change) return;
    const answer = await this.#request((ref) => ({ type: "sources", ref, change }));
    if (answer.type === "missing")
      await this.#request((ref) => ({ type: "sources", ref, change: this.#trees.whole(sources) }));
  }

  async status(): Promise<AgentStatus> {
    const answer = await this.#request((ref) => ({ type: "status", ref }));
    if (answer.type !== "status")
      throw new FailedChange(`the agent answered a status request with "${answer.type}"`);
    return cleanStatus(answer.status);
  }

  /** Stops the agent on the host: after the running deployment has finished, or, with `force`, has been ended. */
  async shutdown(force = false): Promise<Omit<Done, "type" | "ref">> {
    const answer = await this.#request((ref) => ({ type: "shutdown", ref, ...(force && { force }) }));
    // What runs over this connection is still to be reported.
    if (this.#running.size === 0) this.close();
    if (answer.type !== "done") return {};
    const { holder, how } = answer;
    return { ...(holder && { holder }), ...(how !== undefined && { how }) };
  }

  close(): void {
    this.#end(undefined);
  }

  #request(request: (ref: number) => Request): Promise<Answer> {
    if (this.#closedBy) return Promise.reject(this.#closedBy);
    this.#lastRef += 1;
    const ref = this.#lastRef;
    return new Promise<Answer>((resolve, reject) => {
      this.#requests.set(ref, { resolve, reject });
      this.#wire.send(request(ref));
    }).finally(() => this.#requests.delete(ref));
  }

  #handle(answer: Answer): void {
    this.#heartbeat.heard();
    const pending = "ref" in answer && answer.ref !== undefined ? this.#requests.get(answer.ref) : undefined;
    if (pending)
      return answer.type === "refused"
        ? pending.reject(new FailedChange(cleanReason(answer.message)))
        : pending.resolve(answer);
    const running =
      "deployment" in answer && answer.deployment ? this.#running.get(answer.deployment) : undefined;
    if (!running) {
      // The relay could not decode our message and exits.
      if (answer.type === "refused" && answer.deployment === undefined && answer.ref === undefined)
        this.#end(new FailedChange(`the agent on the host: ${cleanReason(answer.message)}`));
      return;
    }
    switch (answer.type) {
      case "events": {
        if (!isCount(answer.first)) throw new ProtocolViolation(`events numbered from ${answer.first}`);
        // Events are numbered: skip those already received.
        const fresh = answer.events.slice(Math.max(0, running.received - answer.first));
        running.received = Math.max(running.received, answer.first + answer.events.length);
        return running.onEvents(fresh);
      }
      case "question": {
        const { deployment, number, question } = answer;
        return running.onQuestion(number, cleanQuestion(question), (reply) => {
          if (!this.#closedBy) this.#wire.send({ type: "reply", deployment, question: number, reply });
        });
      }
      case "waiting":
        return running.onWaiting(answer.reason);
      case "missing":
      case "unknown":
        // The host confirms the signal, which was sent behind the request.
        if (running.stopped) return;
        running.resends += 1;
        if (running.resends <= MAX_RESENDS) return running.resend();
        return running.reject(
          new FailedChange("files sent to the host keep disappearing; is its disk full or failing?"),
        );
      case "outcome":
        return running.resolve(cleanOutcome(answer.outcome));
      case "refused":
        return running.reject(new FailedChange(cleanReason(answer.message)));
      case "lost":
        return running.reject(
          new FailedChange(
            `the deployment was interrupted on the host: ${cleanReason(answer.reason)}; deploy again to continue where it stopped`,
          ),
        );
      default:
    }
  }

  #end(reason: Error | undefined): void {
    if (this.#closedBy) return;
    this.#closedBy = reason ?? new ConnectionFailed("via.agent()", "the connection was closed");
    this.#wire.end();
    this.#channel.kill();
    for (const { reject } of [...this.#running.values(), ...this.#requests.values()]) reject(this.#closedBy);
    this.#resolveClosed(reason);
  }
}

/** Of what is running, only who started it is shown. */
function cleanStatus(status: AgentStatus): AgentStatus {
  const running = status.running.slice(0, MAX_RUNNING_SHOWN).map((holder: Partial<Holder> | null) => ({
    deployment: `${holder?.deployment}`,
    by: cleanName(`${holder?.by}`),
    since: Number(holder?.since),
    pid: Number(holder?.pid),
  }));
  return { ...status, node: cleanName(status.node), boot: cleanName(status.boot), running };
}

const MAX_RUNNING_SHOWN = 100;
