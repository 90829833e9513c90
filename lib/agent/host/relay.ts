import { connect } from "node:net";
import type { JobOutcome, JobSignal } from "../../model/job";
import type { JournalLine } from "../shared/journal-line";
import {
  type Answer,
  BANNER,
  PROTOCOL,
  type Request,
  requestShapes,
  type SupervisorAnswer,
  type TreeChange,
  type WorkerAnswer,
  type WorkerRequest,
  workerAnswerShapes,
} from "../shared/messages";
import { converse, converseOver, type Wire } from "../shared/wire";
import type { AgentDirectory } from "./directory";
import { eventsFrom, readJournal } from "./journal";
import { Store } from "./store";
import { SupervisorClient } from "./supervisor-client";

/** How often a deployment is offered to a supervisor that ends before it has given a worker. */
const MOST_OFFERS = 3;
/** How much may wait for the controller, in bytes, before a worker is no longer listened to. */
const MAX_PENDING = 4 * 1024 * 1024;

/** A deployment that waits for its worker. */
interface Waiting {
  readonly job: Buffer;
  readonly tree: string;
  readonly by: string;
  offers: number;
}

/**
 * The host's end of one link: keeps the sources, starts the supervisor when there is none, and passes messages between
 * the controller and the workers. It ends with the link; the work does not.
 */
export class Relay {
  readonly #place: AgentDirectory;
  readonly #store: Store;
  readonly #controller: Wire<Answer>;
  readonly #supervised: SupervisorClient;
  /** Questions that the supervisor has not answered yet. */
  readonly #asked = new Map<number, "status" | "shutdown">();
  readonly #waiting = new Map<string, Waiting>();
  readonly #workers = new Map<string, Wire<WorkerRequest>>();
  /** Deployments whose tree was found broken, and asked for once more. */
  readonly #mended = new Set<string>();

  /** `boot`: the file that both of us are run from. */
  constructor(place: AgentDirectory, boot: string) {
    this.#place = place;
    this.#store = new Store(place);
    this.#supervised = new SupervisorClient(place, boot, {
      onAnswer: (answer) => this.#fromSupervisor(answer),
      onLost: () => this.#askAgain(),
    });
    process.stdout.write(BANNER);
    this.#controller = converse<Request, Answer>(process.stdin, process.stdout, {
      shapes: requestShapes,
      onMessage: (request) => void this.#serve(request),
      refusal: ({ message }) => ({ type: "refused", message }) satisfies Answer,
      onEnd: (error) => (error ? setTimeout(() => process.exit(1), 200) : process.exit(0)),
    });
    this.#controller.send({
      type: "hello",
      protocol: PROTOCOL,
      node: process.version,
      pid: process.pid,
      home: process.env["HOME"] ?? "",
      trees: this.#store.trees(),
    });
    // Started at once, so that the first deployment need not wait for it.
    void this.#supervised.connected().catch(() => {});
  }

  async #serve(request: Request): Promise<void> {
    try {
      await this.#handle(request);
    } catch (error) {
      const { message } = error as Error;
      const about = "ref" in request ? { ref: request.ref } : { deployment: request.deployment };
      this.#controller.send({ type: "refused", ...about, message });
    }
  }

  async #handle(request: Request): Promise<void> {
    switch (request.type) {
      case "sources": {
        const { ref, change } = request;
        if (!this.#store.add(change))
          return this.#controller.send({ type: "lacking", ref, tree: change.tree });
        await this.#supervised.send({ type: "spare", tree: change.tree });
        return this.#controller.send({ type: "done", ref });
      }
      case "deploy": {
        const { deployment, tree, change, by, job } = request;
        if (!this.#hasTree(tree, change)) return this.#controller.send({ type: "lacking", deployment, tree });
        this.#waiting.set(deployment, { job, tree, by, offers: 0 });
        return this.#offer(deployment);
      }
      case "signal":
        return this.#signal(request.deployment, request.signal);
      case "follow":
        return this.#follow(request.deployment, request.after + 1);
      case "status":
      case "shutdown":
        this.#asked.set(request.ref, request.type);
        return this.#supervised.send({ type: request.type, ref: request.ref });
    }
  }

  #hasTree(tree: string, change: TreeChange | undefined): boolean {
    return change ? this.#store.add(change) : this.#store.has(tree);
  }

  /** Asks the supervisor for a worker. */
  async #offer(deployment: string): Promise<void> {
    const waiting = this.#waiting.get(deployment);
    if (!waiting) return;
    waiting.offers += 1;
    if (waiting.offers > MOST_OFFERS) return this.#lost(deployment, "the agent's supervisor ended");
    const { tree, by } = waiting;
    const wire = await this.#supervised.connected();
    if (this.#waiting.has(deployment)) wire.send({ type: "worker", deployment, tree, by });
  }

  /** The supervisor ended: another one is asked what this one has not answered. */
  #askAgain(): void {
    for (const [ref, question] of this.#asked) {
      this.#asked.delete(ref);
      if (question === "shutdown") this.#controller.send({ type: "done", ref });
      else void this.#serve({ type: question, ref });
    }
    for (const deployment of this.#waiting.keys())
      void this.#offer(deployment).catch((error: Error) => this.#refuse(deployment, error.message));
  }

  #fromSupervisor(answer: SupervisorAnswer): void {
    switch (answer.type) {
      case "worker":
        return this.#start(answer.deployment, answer.socket);
      case "busy":
        return this.#controller.send({
          type: "waiting",
          deployment: answer.deployment,
          reason: answer.reason,
        });
      case "broken":
        return this.#mend(answer.deployment, answer.tree, answer.reason);
      case "status":
        this.#asked.delete(answer.ref);
        return this.#controller.send({ type: "status", ref: answer.ref, status: answer.status });
      case "done":
        this.#asked.delete(answer.ref);
        return this.#controller.send({ type: "done", ref: answer.ref });
      case "refused":
      case "welcome":
    }
  }

  /** A worker that does not start may have met broken files: they are sent once more before that is said. */
  #mend(deployment: string, tree: string, reason: string): void {
    if (!this.#waiting.has(deployment)) return;
    if (this.#mended.has(deployment)) return this.#refuse(deployment, reason);
    this.#mended.add(deployment);
    this.#waiting.delete(deployment);
    this.#store.discard(tree);
    this.#controller.send({ type: "lacking", deployment, tree });
  }

  /** Hands the job to its worker, and from then on passes on what that says. */
  #start(deployment: string, socket: string): void {
    const waiting = this.#waiting.get(deployment);
    this.#waiting.delete(deployment);
    if (waiting && !readJournal(this.#place, deployment))
      return this.#attach(deployment, socket, { type: "job", job: waiting.job }, 0);
    // Withdrawn meanwhile, or begun over a link that was lost: this worker goes, asked what it does while it does nothing.
    const worker = this.#speak(socket, { type: "ping" });
    worker.end();
    if (waiting) this.#follow(deployment, 0);
  }

  #attach(deployment: string, socketName: string, request: WorkerRequest, from: number): void {
    let next = from;
    let over = false;
    let connected = false;
    const socket = connect(socketName, () => {
      connected = true;
    });
    const worker: Wire<WorkerRequest> = converseOver<WorkerAnswer, WorkerRequest>(socket, {
      shapes: workerAnswerShapes,
      onMessage: (answer, frame) => {
        if (answer.type === "refused") {
          over = true;
          // It is of no use to anybody else.
          void this.#supervised.send({ type: "withdraw", deployment }).catch(() => {});
          return this.#refuse(deployment, answer.message);
        }
        over ||= answer.type === "outcome";
        if (answer.type === "events") next = Math.max(next, answer.first + answer.events.length);
        this.#controller.forward(frame);
        if (this.#controller.pending <= MAX_PENDING) return;
        socket.pause();
        process.stdout.once("drain", () => socket.resume());
      },
      onEnd: () => {
        this.#workers.delete(deployment);
        socket.destroy();
        if (over) return;
        // It gave us up because we were slow, or it was killed: its journal knows more than we do.
        if (connected) this.#follow(deployment, next);
        else this.#lastWords(deployment, next);
      },
    });
    this.#workers.set(deployment, worker);
    worker.send(request);
  }

  #signal(deployment: string, signal: JobSignal): void {
    const worker = this.#workers.get(deployment);
    if (worker) return worker.send({ type: "signal", signal });
    if (this.#waiting.delete(deployment)) {
      void this.#supervised.send({ type: "withdraw", deployment }).catch(() => {});
      const outcome = { change: "unchanged", failed: false, cancelled: true } as const;
      return this.#controller.send({ type: "outcome", deployment, outcome });
    }
    const socket = startedLine(readJournal(this.#place, deployment))?.socket;
    if (socket) this.#speak(socket, { type: "signal", signal }).end();
  }

  #speak(socket: string, request: WorkerRequest): Wire<WorkerRequest> {
    const wire = converseOver<WorkerAnswer, WorkerRequest>(connect(socket), {
      shapes: workerAnswerShapes,
      onMessage: () => {},
      onEnd: () => {},
    });
    wire.send(request);
    return wire;
  }

  /** Tells what happened in `deployment` from the event numbered `from` on, up to its end. */
  #follow(deployment: string, from: number): void {
    const lines = readJournal(this.#place, deployment);
    const socket = startedLine(lines)?.socket;
    if (!lines || !socket || outcomeIn(lines)) return this.#lastWords(deployment, from);
    this.#attach(deployment, socket, { type: "follow", after: from - 1 }, from);
  }

  /** What the journal says when there is nobody left who could say more. */
  #lastWords(deployment: string, from: number): void {
    const lines = readJournal(this.#place, deployment);
    if (!lines) return this.#controller.send({ type: "unknown", deployment });
    for (const run of eventsFrom(lines, from)) this.#controller.send({ type: "events", deployment, ...run });
    const outcome = outcomeIn(lines);
    if (outcome) this.#controller.send({ type: "outcome", deployment, outcome });
    else this.#lost(deployment, "the worker that applied it was killed");
  }

  #refuse(deployment: string, message: string): void {
    this.#waiting.delete(deployment);
    this.#controller.send({ type: "refused", deployment, message });
  }

  #lost(deployment: string, reason: string): void {
    this.#waiting.delete(deployment);
    this.#controller.send({ type: "lost", deployment, reason });
  }
}

const startedLine = (lines: readonly JournalLine[] | undefined) =>
  lines?.flatMap((line) => ("started" in line ? [line.started] : []))[0];

const outcomeIn = (lines: readonly JournalLine[]): JobOutcome | undefined =>
  lines.flatMap((line) => ("outcome" in line ? [line.outcome] : []))[0];
