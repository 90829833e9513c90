import { spawn } from "node:child_process";
import { openSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FailedChange } from "../errors";
import { readJournal } from "./journal";
import {
  type Answer,
  BANNER,
  PROTOCOL,
  type Request,
  type SupervisorAnswer,
  type SupervisorRequest,
  type TreeChange,
  type WorkerAnswer,
  type WorkerRequest,
} from "./messages";
import { type Place, SUPERVISOR_SOCKET } from "./place";
import { Store } from "./store";
import { LOCK_FD, NODE_FLAGS } from "./supervisor";
import { converse, converseOver, type Wire } from "./wire";

/** How long a supervisor may take to listen. */
const START_MS = 5000;
/** How often a journal is looked at for somebody who lost the link. */
const FOLLOW_MS = 100;

/**
 * The host's end of one link: keeps the sources, starts the supervisor when there is none, and passes messages between
 * the controller and the workers. It ends with the link; the work does not.
 */
export class Relay {
  readonly #place: Place;
  readonly #boot: string;
  readonly #store: Store;
  readonly #controller: Wire<Answer>;
  #supervisor: Promise<Wire<SupervisorRequest>> | undefined;
  /** Called with the answers of the supervisor, in the order of the questions that have one. */
  readonly #statusAsked: number[] = [];
  readonly #jobs = new Map<string, Buffer>();
  readonly #workers = new Map<string, Wire<WorkerRequest>>();

  constructor(place: Place, boot: string) {
    this.#place = place;
    this.#boot = boot;
    this.#store = new Store(place);
    process.stdout.write(BANNER);
    this.#controller = converse<Request, Answer>(process.stdin, process.stdout, {
      onMessage: (request) => void this.#serve(request),
      onEnd: () => process.exit(0),
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
    void this.#connected().catch(() => {});
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
        (await this.#connected()).send({ type: "spare", tree: change.tree });
        return this.#controller.send({ type: "done", ref });
      }
      case "deploy": {
        const { deployment, tree, change, by, job } = request;
        if (!this.#hasTree(tree, change)) return this.#controller.send({ type: "lacking", deployment, tree });
        this.#jobs.set(deployment, job);
        return (await this.#connected()).send({ type: "worker", deployment, tree, by });
      }
      case "signal":
        return this.#signal(request.deployment, request.signal);
      case "follow":
        return this.#follow(request.deployment, request.after);
      case "status":
      case "shutdown":
        this.#statusAsked.push(request.ref);
        return (await this.#connected()).send({ type: request.type });
    }
  }

  #hasTree(tree: string, change: TreeChange | undefined): boolean {
    return change ? this.#store.add(change) : this.#store.has(tree);
  }

  /** A conversation with a supervisor of our own version, started if need be. */
  #connected(): Promise<Wire<SupervisorRequest>> {
    this.#supervisor ??= this.#connect().catch((error) => {
      this.#supervisor = undefined;
      throw error;
    });
    return this.#supervisor;
  }

  async #connect(): Promise<Wire<SupervisorRequest>> {
    const deadline = Date.now() + START_MS;
    for (let started = false; Date.now() < deadline; await sleep(5)) {
      const wire = await this.#greet();
      if (wire) return wire;
      if (!started) startSupervisor(this.#place, process.argv[1] ?? "");
      started = true;
    }
    throw new FailedChange(
      `the agent's supervisor did not start within ${START_MS / 1000} s; ${this.#place.log} on the host says why`,
    );
  }

  /** Undefined when nobody listens, or one of another version, which is then asked to go. */
  #greet(): Promise<Wire<SupervisorRequest> | undefined> {
    return new Promise((settled) => {
      const socket: Socket = connect(SUPERVISOR_SOCKET);
      let ours = false;
      const wire: Wire<SupervisorRequest> = converseOver<SupervisorAnswer, SupervisorRequest>(socket, {
        onMessage: (answer) => {
          if (answer.type !== "welcome") return this.#fromSupervisor(answer);
          ours = answer.boot === this.#boot;
          if (ours) return settled(wire);
          wire.send({ type: "retire" });
          wire.end();
          settled(undefined);
        },
        onEnd: () => {
          settled(undefined);
          if (!ours) return;
          this.#supervisor = undefined;
          for (const deployment of this.#jobs.keys()) this.#lost(deployment, "the agent's supervisor ended");
        },
      });
    });
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
        return this.#refuse(answer.deployment, answer.reason);
      case "status": {
        const ref = this.#statusAsked.shift();
        if (ref !== undefined) this.#controller.send({ type: "status", ref, status: answer.status });
        return;
      }
      case "done": {
        const ref = this.#statusAsked.shift();
        if (ref !== undefined) this.#controller.send({ type: "done", ref });
        return;
      }
      case "welcome":
    }
  }

  /** Hands the job to its worker, and from then on passes on what that says. */
  #start(deployment: string, socketName: string): void {
    const job = this.#jobs.get(deployment);
    this.#jobs.delete(deployment);
    if (!job) return;
    let over = false;
    const socket = connect(socketName);
    const worker: Wire<WorkerRequest> = converseOver<WorkerAnswer, WorkerRequest>(socket, {
      onMessage: (answer, frame) => {
        over ||= answer.type === "outcome";
        this.#controller.forward(frame);
      },
      onEnd: () => {
        this.#workers.delete(deployment);
        socket.destroy();
        // Its journal knows more than we do: it may have ended in good order after all.
        if (!over) void this.#follow(deployment, -1);
      },
    });
    this.#workers.set(deployment, worker);
    worker.send({ type: "job", job });
  }

  #signal(deployment: string, signal: "stop" | "cancel"): void {
    const worker = this.#workers.get(deployment);
    if (worker) return worker.send({ type: "signal", signal });
    const socketName = startedLine(readJournal(this.#place, deployment))?.socket;
    if (!socketName) return;
    const wire = converseOver<unknown, WorkerRequest>(connect(socketName), {
      onMessage: () => {},
      onEnd: () => {},
    });
    wire.send({ type: "signal", signal });
    wire.end();
  }

  /** Tells what happened in `deployment` after the event numbered `after`, up to its end. */
  async #follow(deployment: string, after: number): Promise<void> {
    let next = after + 1;
    for (;;) {
      const lines = readJournal(this.#place, deployment);
      if (!lines) return this.#lost(deployment, "the host has no journal of it");
      const alive = await isListening(startedLine(lines)?.socket ?? "");
      const now = alive ? lines : (readJournal(this.#place, deployment) ?? lines);
      const events = now.flatMap((line) => ("event" in line ? [line.event] : []));
      const fresh = events.slice(next);
      if (fresh.length > 0) this.#controller.send({ type: "events", deployment, first: next, events: fresh });
      next = Math.max(next, events.length);
      const end = now.find((line) => "outcome" in line);
      if (end && "outcome" in end)
        return this.#controller.send({ type: "outcome", deployment, outcome: end.outcome });
      if (!alive) return this.#lost(deployment, "the worker that applied it was killed");
      await sleep(FOLLOW_MS);
    }
  }

  #refuse(deployment: string, message: string): void {
    this.#jobs.delete(deployment);
    this.#controller.send({ type: "refused", deployment, message });
  }

  #lost(deployment: string, reason: string): void {
    this.#jobs.delete(deployment);
    this.#controller.send({ type: "lost", deployment, reason });
  }
}

const startedLine = (lines: ReturnType<typeof readJournal>) =>
  lines?.flatMap((line) => ("started" in line ? [line.started] : []))[0];

function isListening(socketName: string): Promise<boolean> {
  if (!socketName) return Promise.resolve(false);
  return new Promise((settled) => {
    const socket = connect(socketName, () => {
      settled(true);
      socket.destroy();
    });
    socket.once("error", () => settled(false));
  });
}

/**
 * Starts a supervisor that outlives us, in a session of its own. It holds a lock for as long as it lives (where the
 * host has flock), so that of two that start at once one ends.
 */
function startSupervisor(place: Place, boot: string): void {
  rmSync(place.log, { force: true });
  const log = openSync(place.log, "a", 0o600);
  const script = `exec ${LOCK_FD}>lock; if command -v flock >/dev/null; then flock -n ${LOCK_FD} || exit 0; fi; exec "$@"`;
  spawn("/bin/sh", ["-c", script, "sh", process.execPath, ...NODE_FLAGS, boot, "supervisor"], {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: place.run,
  }).unref();
}
