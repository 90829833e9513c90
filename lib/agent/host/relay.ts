import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { JobOutcome, JobSignal } from "../../model/job";
import { heartbeat } from "../shared/heartbeat";
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
import { openWire, openWireOver, type Wire } from "../shared/wire";
import type { AgentDirectory } from "./directory";
import { eventsFrom, inMessages, Journal, readJournal } from "./journal";
import { Store } from "./store";
import { SupervisorClient } from "./supervisor-client";

/** How often a worker is requested from a supervisor that exits without providing one. */
const MAX_ATTEMPTS = 3;
/** Time limit for the supervisor to write how a killed worker ended. */
const LAST_LINE_MS = 6000;
/** A controller that is silent for this long is gone: it sends a ping every few seconds. */
const LINK_SILENCE_MS = Number(process.env["CONSFIGURATOR_LINK_SILENCE_MS"]) || 45_000;
/** Bytes buffered for the controller before reading from workers is paused. */
const MAX_PENDING = 4 * 1024 * 1024;

/** A deployment that waits for its worker. */
interface Waiting {
  readonly job: Buffer;
  readonly tree: string;
  readonly by: string;
  readonly held: readonly string[] | undefined;
  attempts: number;
}

/**
 * The host's end of one connection: stores the sources, starts the supervisor if none is running, and forwards messages
 * between the controller and the workers. It exits with the connection; the workers continue.
 */
export class Relay {
  readonly #directory: AgentDirectory;
  readonly #store: Store;
  readonly #controller: Wire<Answer>;
  readonly #supervisor: SupervisorClient;
  /** Requests that the supervisor has not answered yet. */
  readonly #requests = new Map<number, Extract<Request, { type: "status" | "shutdown" }>>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #workers = new Map<string, Wire<WorkerRequest>>();
  /** Deployments whose tree was corrupt and has been requested again. */
  readonly #repaired = new Set<string>();

  /** `boot`: the boot file of this relay and of its supervisor. */
  constructor(directory: AgentDirectory, boot: string) {
    this.#directory = directory;
    this.#store = new Store(directory);
    this.#supervisor = new SupervisorClient(directory, boot, {
      onAnswer: (answer) => this.#fromSupervisor(answer),
      onLost: () => this.#retry(),
      onNotice: (reason) => {
        for (const deployment of this.#waiting.keys())
          this.#controller.send({ type: "waiting", deployment, reason });
      },
      isWaiting: () => this.#waiting.size > 0 || this.#requests.size > 0,
    });
    process.stdout.write(BANNER);
    this.#controller = openWire<Request, Answer>(process.stdin, process.stdout, {
      shapes: requestShapes,
      onMessage: (request) => void this.#serve(request),
      refusal: ({ message }) => ({ type: "refused", message }) satisfies Answer,
      onEnd: (error) => (error ? setTimeout(() => process.exit(1), 200) : process.exit(0)),
    });
    // A link that was cut without a word would leave us here for ever.
    const heart = heartbeat({
      pending: () => 0,
      ping: () => {},
      onSilence: () => process.exit(0),
      silence: LINK_SILENCE_MS,
    });
    process.stdin.on("data", () => heart.heard());
    this.#controller.send({
      type: "hello",
      protocol: PROTOCOL,
      node: process.version,
      pid: process.pid,
      home: process.env["HOME"] ?? "",
      trees: this.#store.trees(),
    });
    // Start the supervisor now, so that the first deployment need not wait for it.
    void this.#supervisor.connected().catch(() => {});
  }

  async #serve(request: Request): Promise<void> {
    try {
      await this.#handle(request);
    } catch (error) {
      const { message } = error as Error;
      const about =
        "ref" in request
          ? { ref: request.ref }
          : "deployment" in request
            ? { deployment: request.deployment }
            : {};
      this.#controller.send({ type: "refused", ...about, message });
    }
  }

  async #handle(request: Request): Promise<void> {
    switch (request.type) {
      case "sources": {
        const { ref, change } = request;
        if (!this.#store.add(change))
          return this.#controller.send({ type: "missing", ref, tree: change.tree });
        await this.#supervisor.send({ type: "spare", tree: change.tree, boot: this.#supervisor.boot });
        return this.#controller.send({ type: "done", ref });
      }
      case "deploy": {
        const { deployment, tree, change, by, job, held } = request;
        if (!this.#hasTree(tree, change)) return this.#controller.send({ type: "missing", deployment, tree });
        this.#waiting.set(deployment, { job, tree, by, held, attempts: 0 });
        return this.#requestWorker(deployment);
      }
      case "signal":
        return this.#signal(request.deployment, request.signal);
      case "reply": {
        // A worker that cannot be reached now asks again.
        const { deployment, question, reply } = request;
        return this.#workers.get(deployment)?.send({ type: "reply", question, reply });
      }
      case "follow":
        return this.#follow(request.deployment, request.after + 1);
      case "status":
      case "shutdown":
        this.#requests.set(request.ref, request);
        return this.#supervisor.send(request);
      case "ping":
        return this.#controller.send({ type: "pong" });
    }
  }

  #hasTree(tree: string, change: TreeChange | undefined): boolean {
    return change ? this.#store.add(change) : this.#store.has(tree);
  }

  /** Asks the supervisor for a worker. */
  async #requestWorker(deployment: string): Promise<void> {
    const waiting = this.#waiting.get(deployment);
    if (!waiting) return;
    waiting.attempts += 1;
    if (waiting.attempts > MAX_ATTEMPTS) return this.#lost(deployment, "the agent's supervisor exited");
    const { tree, by, held } = waiting;
    const wire = await this.#supervisor.connected();
    const { boot } = this.#supervisor;
    if (this.#waiting.has(deployment))
      wire.send({ type: "worker", deployment, tree, boot, by, ...(held && { held }) });
  }

  /** The supervisor exited: its unanswered requests go to the next one. */
  #retry(): void {
    for (const [ref, request] of this.#requests) {
      this.#requests.delete(ref);
      if (request.type === "shutdown" && !request.force) this.#controller.send({ type: "done", ref });
      else void this.#serve(request);
    }
    for (const deployment of this.#waiting.keys())
      void this.#requestWorker(deployment).catch((error: Error) => this.#refuse(deployment, error.message));
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
        return this.#repair(answer.deployment, answer.tree, answer.reason);
      case "status":
        this.#requests.delete(answer.ref);
        return this.#controller.send({ type: "status", ref: answer.ref, status: answer.status });
      case "done":
        this.#requests.delete(answer.ref);
        return this.#controller.send(answer);
      default:
    }
  }

  /** Corrupt sources may be why the worker did not start: requests them once more before failing. */
  #repair(deployment: string, tree: string, reason: string): void {
    if (!this.#waiting.has(deployment)) return;
    if (this.#repaired.has(deployment)) return this.#refuse(deployment, reason);
    this.#repaired.add(deployment);
    this.#waiting.delete(deployment);
    this.#store.discard(tree);
    this.#controller.send({ type: "missing", deployment, tree });
  }

  /** Sends the job to its worker and forwards the worker's messages. */
  #start(deployment: string, socket: string): void {
    const waiting = this.#waiting.get(deployment);
    this.#waiting.delete(deployment);
    if (waiting && !readJournal(this.#directory, deployment))
      return this.#attach(deployment, socket, { type: "job", job: waiting.job }, 0);
    // The deployment was cancelled, or started over an earlier connection: an idle worker exits on a ping.
    const worker = this.#send(socket, { type: "ping" });
    worker.end();
    if (waiting) this.#follow(deployment, 0);
  }

  #attach(deployment: string, socketName: string, request: WorkerRequest, from: number): void {
    let next = from;
    let finished = false;
    let connected = false;
    const socket = connect(socketName, () => {
      connected = true;
    });
    const worker: Wire<WorkerRequest> = openWireOver<WorkerAnswer, WorkerRequest>(socket, {
      shapes: workerAnswerShapes,
      onMessage: (answer, frame) => {
        if (answer.type === "refused") {
          finished = true;
          // The worker cannot be reused.
          void this.#supervisor.send({ type: "release", deployment }).catch(() => {});
          return this.#refuse(deployment, answer.message);
        }
        finished ||= answer.type === "outcome";
        if (answer.type === "events") next = Math.max(next, answer.first + answer.events.length);
        this.#controller.forward(frame);
        if (this.#controller.pending <= MAX_PENDING) return;
        socket.pause();
        process.stdout.once("drain", () => socket.resume());
      },
      onEnd: () => {
        this.#workers.delete(deployment);
        socket.destroy();
        if (finished) return;
        // It dropped us because we were slow, or it was killed: the journal has the rest.
        if (connected) this.#follow(deployment, next);
        else void this.#replay(deployment, next);
      },
    });
    this.#workers.set(deployment, worker);
    worker.send(request);
  }

  /** A signal is never lost: what has not started when it arrives, never starts. */
  #signal(deployment: string, signal: JobSignal): void {
    // It ends a worker that does not follow.
    void this.#supervisor.send({ type: "signal", deployment, signal }).catch(() => {});
    const worker = this.#workers.get(deployment);
    if (worker) return worker.send({ type: "signal", signal });
    if (this.#waiting.delete(deployment))
      void this.#supervisor.send({ type: "release", deployment }).catch(() => {});
    const outcome = { change: "unchanged", failed: false, cancelled: true } as const;
    if (Journal.prevent(this.#directory, deployment, outcome))
      return this.#controller.send({ type: "outcome", deployment, outcome });
    const lines = readJournal(this.#directory, deployment);
    const socket = startedLine(lines)?.socket;
    if (socket && !outcomeIn(lines ?? [])) this.#send(socket, { type: "signal", signal }).end();
    else if (!socket) this.#controller.send({ type: "outcome", deployment, outcome });
  }

  #send(socket: string, request: WorkerRequest): Wire<WorkerRequest> {
    const wire = openWireOver<WorkerAnswer, WorkerRequest>(connect(socket), {
      shapes: workerAnswerShapes,
      onMessage: () => {},
      onEnd: () => {},
    });
    wire.send(request);
    return wire;
  }

  /** Sends the events of `deployment` from number `from` on, until it has finished. */
  #follow(deployment: string, from: number): void {
    const lines = readJournal(this.#directory, deployment);
    const socket = startedLine(lines)?.socket;
    if (!lines || !socket || outcomeIn(lines)) return void this.#replay(deployment, from);
    this.#attach(deployment, socket, { type: "follow", after: from - 1 }, from);
  }

  /**
   * Sends the rest of a deployment from its journal: its worker has exited. One that was killed leaves it to the supervisor
   * to write how it ended, which takes until all its commands have ended.
   */
  async #replay(deployment: string, from: number): Promise<void> {
    let next = from;
    const deadline = performance.now() + LAST_LINE_MS;
    for (;;) {
      const lines = readJournal(this.#directory, deployment);
      if (!lines) return this.#controller.send({ type: "unknown", deployment });
      for (const run of eventsFrom(lines, next)) {
        for (const part of inMessages(run.first, run.events))
          this.#controller.send({ type: "events", deployment, ...part });
        next = run.first + run.events.length;
      }
      const outcome = outcomeIn(lines);
      if (outcome) return this.#controller.send({ type: "outcome", deployment, outcome });
      const lost = lines.flatMap((line) => ("lost" in line ? [line.lost] : []))[0];
      if (lost !== undefined || performance.now() > deadline)
        return this.#lost(deployment, lost ?? "its worker was killed");
      await sleep(20);
    }
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
