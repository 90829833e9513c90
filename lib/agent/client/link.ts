import type { AgentArtifacts, Sources } from "../../model/agent-artifacts";
import type { Channel } from "../../model/connection";
import { ConnectionFailed, FailedChange } from "../../model/errors";
import type { Job, JobOutcome, JobSignal } from "../../model/job";
import {
  type AgentStatus,
  type Answer,
  answerShapes,
  type Hello,
  PROTOCOL,
  type Request,
  type TreeChange,
} from "../shared/messages";
import { converse, encode, GarbledFrame, type Wire } from "../shared/wire";
import { applyReconnecting, LinkLost, type Listener, type ReconnectOptions } from "./reconnect";
import { Trees } from "./trees";

/** How often a host may say that it lacks what it was sent. */
const MOST_SENDINGS = 3;

interface Running extends Listener {
  /** How many events have been heard. */
  heard: number;
  settle(outcome: JobOutcome): void;
  fail(error: Error): void;
  /** How often the job was sent again. */
  sendings: number;
  resend(): void;
}

interface Asked {
  settle(answer: Answer): void;
  fail(error: Error): void;
}

/** The controller's end of one link to an agent. */
export class AgentLink {
  readonly hello: Hello;
  readonly #channel: Channel;
  readonly #wire: Wire<Request>;
  readonly #trees: Trees;
  readonly #running = new Map<string, Running>();
  readonly #asked = new Map<number, Asked>();
  /** What was applied over this link: to be kept ready on the host. */
  readonly #properties = new Set<string>();
  readonly #hops = new Set<string>();
  #modules: readonly string[] = [];
  #refs = 0;
  #over: Error | undefined;
  #settleClosed: (reason: Error | undefined) => void = () => {};
  /** Settles when the link ends. */
  readonly closed = new Promise<Error | undefined>((settle) => {
    this.#settleClosed = settle;
  });

  /** Speaks with a relay whose banner has been read. Throws `FailedChange` when it is of another version. */
  static open(channel: Channel): Promise<AgentLink> {
    return new Promise((opened, failed) => {
      let link: AgentLink | undefined;
      const wire: Wire<Request> = converse<Answer, Request>(channel.stdout, channel.stdin, {
        shapes: answerShapes,
        onMessage: (answer) => {
          if (link) return link.#hear(answer);
          if (answer.type !== "hello" || answer.protocol !== PROTOCOL) {
            failed(
              new FailedChange(
                `the agent on the host speaks version ${"protocol" in answer ? answer.protocol : "unknown"} of the protocol, and we speak ${PROTOCOL}; remove it with .agents remove`,
              ),
            );
            return channel.kill();
          }
          link = new AgentLink(channel, wire, answer);
          opened(link);
        },
        onEnd: (error) => {
          const reason =
            error instanceof GarbledFrame
              ? error
              : new LinkLost("via.agent()", error?.message ?? "the link to the host was lost");
          failed(reason);
          if (link) link.#end(reason);
        },
      });
      // The link ends when its channel does, even if no byte says so.
      const ended = (why = "the link to the host was lost") => {
        const reason = new LinkLost("via.agent()", why);
        failed(reason);
        if (link) link.#end(reason);
      };
      channel.exit.then(
        () => ended(),
        (error: Error) => ended(error.message),
      );
    });
  }

  private constructor(channel: Channel, wire: Wire<Request>, hello: Hello) {
    this.#channel = channel;
    this.#wire = wire;
    this.hello = hello;
    this.#trees = new Trees(hello.trees);
  }

  get alive(): boolean {
    return this.#over === undefined;
  }

  /** Has `job` applied with `sources`, over further links when this one is lost: the work goes on without one. */
  apply(job: Job, sources: Sources, following: ReconnectOptions): Promise<JobOutcome> {
    return applyReconnecting(this, job, sources, following);
  }

  /**
   * Has `job` applied with `sources`. What the host lacks of them goes along with it, so that it costs one round trip.
   * Rejects with `LinkLost` when the link goes: the work then goes on, and `follow` on a new link hears the rest.
   */
  deploy(job: Job, sources: Sources, listener: Listener): Promise<JobOutcome> {
    const { send, resend } = this.#sending(job, sources);
    return this.#run(job, listener, 0, resend, () => send(this.#trees.change(sources)));
  }

  /** Hears the rest of a deployment of which `heard` events are known. One that never began is begun. */
  follow(job: Job, sources: Sources, listener: Listener, heard: number): Promise<JobOutcome> {
    const { resend } = this.#sending(job, sources);
    return this.#run(job, listener, heard, resend, () =>
      this.#wire.send({ type: "follow", deployment: job.deployment, after: heard - 1 }),
    );
  }

  #sending(job: Job, sources: Sources) {
    const packed = encode(job);
    const { hash: tree } = sources.manifest;
    const { deployment, by } = job;
    const send = (change: TreeChange | undefined) =>
      this.#wire.send({ type: "deploy", deployment, tree, ...(change && { change }), by, job: packed });
    const resend = () => {
      this.#trees.forget(tree);
      send(this.#trees.whole(sources));
    };
    return { send, resend };
  }

  #run(
    job: Job,
    listener: Listener,
    heard: number,
    resend: () => void,
    begin: () => void,
  ): Promise<JobOutcome> {
    if (this.#over) return Promise.reject(this.#over);
    return new Promise<JobOutcome>((settle, fail) => {
      this.#running.set(job.deployment, { ...listener, heard, sendings: 0, settle, fail, resend });
      begin();
    }).finally(() => this.#running.delete(job.deployment));
  }

  /** For what is named, and all that was asked for before: so that the tree on the host stays the same. */
  sources(
    kit: AgentArtifacts,
    properties: Iterable<string>,
    hops: Iterable<string>,
    modules: Iterable<string>,
  ): Sources {
    for (const property of properties) this.#properties.add(property);
    for (const hop of hops) this.#hops.add(hop);
    const asked = [...modules];
    if (asked.length > 0) this.#modules = asked;
    try {
      return kit.sources(this.#properties, this.#hops, this.#modules);
    } catch (error) {
      // A module of another deployment, which has gone or cannot be read: nobody asks for it now.
      if (asked.length > 0 || this.#modules.length === 0) throw error;
      this.#modules = [];
      return kit.sources(this.#properties, this.#hops, []);
    }
  }

  signal(deployment: string, signal: JobSignal): void {
    if (!this.#over) this.#wire.send({ type: "signal", deployment, signal });
  }

  /** Sends what the host lacks of `sources`, and has it start a spare worker with them. */
  async push(sources: Sources): Promise<void> {
    const change = this.#trees.change(sources);
    if (!change) return;
    const answer = await this.#ask((ref) => ({ type: "sources", ref, change }));
    if (answer.type === "lacking")
      await this.#ask((ref) => ({ type: "sources", ref, change: this.#trees.whole(sources) }));
  }

  async status(): Promise<AgentStatus> {
    const answer = await this.#ask((ref) => ({ type: "status", ref }));
    if (answer.type !== "status")
      throw new FailedChange(`the agent answered its status with "${answer.type}"`);
    return answer.status;
  }

  /** The agent on the host ends; a deployment that runs there is finished first. */
  async shutdown(): Promise<void> {
    await this.#ask((ref) => ({ type: "shutdown", ref }));
    this.close();
  }

  close(): void {
    this.#end(undefined);
  }

  #ask(request: (ref: number) => Request): Promise<Answer> {
    if (this.#over) return Promise.reject(this.#over);
    this.#refs += 1;
    const ref = this.#refs;
    return new Promise<Answer>((settle, fail) => {
      this.#asked.set(ref, { settle, fail });
      this.#wire.send(request(ref));
    }).finally(() => this.#asked.delete(ref));
  }

  #hear(answer: Answer): void {
    const asked = "ref" in answer && answer.ref !== undefined ? this.#asked.get(answer.ref) : undefined;
    if (asked)
      return answer.type === "refused" ? asked.fail(new FailedChange(answer.message)) : asked.settle(answer);
    const running =
      "deployment" in answer && answer.deployment ? this.#running.get(answer.deployment) : undefined;
    if (!running) {
      // The relay could not read what we sent: it leaves, and so do we.
      if (answer.type === "refused" && answer.deployment === undefined && answer.ref === undefined)
        this.#end(new FailedChange(`the agent on the host: ${answer.message}`));
      return;
    }
    switch (answer.type) {
      case "events": {
        // Events are numbered: what was heard before is passed over.
        const fresh = answer.events.slice(Math.max(0, running.heard - answer.first));
        running.heard = Math.max(running.heard, answer.first + answer.events.length);
        return running.onEvents(fresh);
      }
      case "waiting":
        return running.onWaiting(answer.reason);
      case "lacking":
      case "unknown":
        running.sendings += 1;
        if (running.sendings <= MOST_SENDINGS) return running.resend();
        return running.fail(new FailedChange("the host loses what it is sent; is its disk full or broken?"));
      case "outcome":
        return running.settle(answer.outcome);
      case "refused":
        return running.fail(new FailedChange(answer.message));
      case "lost":
        return running.fail(
          new FailedChange(
            `the deployment was broken off on the host: ${answer.reason}; deploy again to go on from where it stopped`,
          ),
        );
      default:
    }
  }

  #end(reason: Error | undefined): void {
    if (this.#over) return;
    this.#over = reason ?? new ConnectionFailed("via.agent()", "the link was closed");
    this.#wire.end();
    this.#channel.kill();
    for (const { fail } of [...this.#running.values(), ...this.#asked.values()]) fail(this.#over);
    this.#settleClosed(reason);
  }
}
