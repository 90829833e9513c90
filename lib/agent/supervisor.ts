import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import { loginEnvironment } from "./_environment";
import type {
  AgentStatus,
  Holder,
  SupervisorAnswer,
  SupervisorRequest,
  WorkerAnswer,
  WorkerRequest,
} from "./messages";
import { type Place, SUPERVISOR_SOCKET, WORKER_SOCKET } from "./place";
import { converseOver, type Wire } from "./wire";

/** How long nobody may need us before we end. */
const IDLE_MS = 15 * 60 * 1000;
/** How long a worker of an earlier supervisor may take to say who it is. */
const PATIENCE_MS = 1000;
/** How long after a worker was taken the next spare is started, so that it does not slow that one down. */
const SPARE_DELAY_MS = 250;

interface Worker {
  readonly id: string;
  readonly tree: string;
  readonly pid: number;
  /** Settles when it takes work, or with the reason why it never will. */
  readonly ready: Promise<string | undefined>;
  readonly process: ChildProcess | undefined;
}

interface Waiting {
  readonly request: Extract<SupervisorRequest, { type: "worker" }>;
  readonly client: Wire<SupervisorAnswer>;
}

/**
 * One a user and host. It keeps a warm worker ready, gives it to one deployment at a time, and sees neither
 * deployments nor secrets: relays talk to workers on sockets of their own.
 */
export class Supervisor {
  readonly #startedAt = Date.now();
  readonly #place: Place;
  readonly #boot: string;
  #server: Server | undefined;
  #spare: Worker | undefined;
  #holder: Holder | undefined;
  readonly #queue: Waiting[] = [];
  #lastTree: string | undefined;
  readonly #clients = new Set<Socket>();
  #retiring = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(place: Place, boot: string) {
    this.#place = place;
    this.#boot = boot;
  }

  /** Listens; throws when another supervisor does. */
  async start(): Promise<void> {
    await this.#adopt();
    rmSync(SUPERVISOR_SOCKET, { force: true });
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    await new Promise<void>((listening, failed) => {
      server.once("error", failed);
      server.listen(SUPERVISOR_SOCKET, () => listening());
    });
    this.#idleFromNow();
  }

  /** Workers of a supervisor that was killed go on: one that holds the host still holds it, and ends with its work. */
  async #adopt(): Promise<void> {
    for (const socket of this.#place.workerSockets()) {
      const holder = await this.#ask(socket, () => {
        this.#holder = undefined;
        this.#next();
      });
      if (holder) this.#holder = holder;
      else rmSync(socket, { force: true });
    }
  }

  /** Who works behind `socket`; undefined when nobody does. `onGone` is called when that one ends. */
  #ask(socket: string, onGone: () => void): Promise<Holder | undefined> {
    return new Promise((settled) => {
      let works = false;
      const worker: Wire<WorkerRequest> = converseOver<WorkerAnswer, WorkerRequest>(connectSocket(socket), {
        onMessage: (answer) => {
          if (answer.type !== "working") return;
          works = true;
          settled(answer);
        },
        onEnd: () => (works ? onGone() : settled(undefined)),
      });
      worker.send({ type: "ping" });
      // One that is too busy to answer is at work.
      setTimeout(() => {
        works = true;
        settled({ deployment: "unknown", by: "an earlier agent", since: Date.now(), pid: 0 });
      }, PATIENCE_MS).unref();
    });
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket);
    clearTimeout(this.#idle);
    const client: Wire<SupervisorAnswer> = converseOver<SupervisorRequest, SupervisorAnswer>(socket, {
      onMessage: (request) => this.#answer(request, client),
      onEnd: () => {
        this.#clients.delete(socket);
        socket.destroy();
        const left = this.#queue.filter((waiting) => waiting.client !== client);
        this.#queue.splice(0, this.#queue.length, ...left);
        this.#idleFromNow();
      },
    });
    client.send({ type: "welcome", boot: this.#boot, pid: process.pid });
  }

  #answer(request: SupervisorRequest, client: Wire<SupervisorAnswer>): void {
    switch (request.type) {
      case "worker":
        if (this.#holder)
          client.send({ type: "busy", deployment: request.deployment, reason: heldBy(this.#holder) });
        this.#queue.push({ request, client });
        return this.#next();
      case "spare":
        this.#lastTree = request.tree;
        return this.#keepSpare();
      case "status":
        return client.send({ type: "status", status: this.#status() });
      case "retire":
      case "shutdown":
        this.#retiring = true;
        this.#server?.close();
        rmSync(SUPERVISOR_SOCKET, { force: true });
        releaseLock();
        this.#endSpare();
        client.send({ type: "done" });
        if (!this.#holder) setTimeout(() => process.exit(0), 20);
        return;
    }
  }

  /** Gives the host to the next that waits for it, when it is free. */
  #next(): void {
    if (this.#retiring && !this.#holder) process.exit(0);
    if (this.#holder) return;
    const waiting = this.#queue.shift();
    if (!waiting) {
      this.#idleFromNow();
      return;
    }
    void this.#give(waiting);
  }

  async #give({ request, client }: Waiting): Promise<void> {
    const { deployment, tree, by } = request;
    this.#lastTree = tree;
    const worker = this.#spare?.tree === tree ? this.#spare : this.#start(tree);
    if (worker === this.#spare) this.#spare = undefined;
    this.#holder = { deployment, by, since: Date.now(), pid: worker.pid };
    worker.process?.once("exit", () => {
      this.#holder = undefined;
      setTimeout(() => this.#keepSpare(), SPARE_DELAY_MS);
      this.#next();
    });
    const broken = await worker.ready;
    client.send(
      broken === undefined
        ? { type: "worker", deployment, socket: WORKER_SOCKET + worker.id }
        : { type: "broken", deployment, reason: broken },
    );
  }

  /** One worker with the newest tree stands ready while nothing else goes on. */
  #keepSpare(): void {
    if (
      this.#retiring ||
      this.#holder ||
      this.#lastTree === undefined ||
      this.#spare?.tree === this.#lastTree
    )
      return;
    if (!existsSync(this.#place.tree(this.#lastTree))) return;
    this.#endSpare();
    const spare = this.#start(this.#lastTree);
    this.#spare = spare;
    spare.process?.once("exit", () => {
      if (this.#spare === spare) this.#spare = undefined;
    });
  }

  #endSpare(): void {
    this.#spare?.process?.kill();
    this.#spare = undefined;
  }

  #start(tree: string): Worker {
    const id = `${process.pid.toString(36)}${Math.floor(performance.now() * 1000).toString(36)}`;
    const log = openSync(this.#place.log, "a", 0o600);
    const main = path.join(
      this.#place.tree(tree),
      "node_modules",
      "consfigurator",
      "lib",
      "agent",
      "worker.js",
    );
    const child = spawn(
      process.execPath,
      [...NODE_FLAGS, main, this.#place.root, WORKER_SOCKET + id, this.#place.boot(this.#boot)],
      {
        stdio: ["ignore", log, log, "ipc"],
        cwd: this.#place.run,
        env: loginEnvironment(),
        detached: true,
      },
    );
    const ready = new Promise<string | undefined>((settled) => {
      child.once("message", () => settled(undefined));
      child.once("error", (error) => settled(error.message));
      child.once("exit", (code, signal) => {
        rmSync(WORKER_SOCKET + id, { force: true });
        settled(
          `the worker ended at its start (${signal ?? `exit code ${code}`}); ${this.#place.log} on the host says why`,
        );
      });
    });
    return { id, tree, pid: child.pid ?? 0, ready, process: child };
  }

  #status(): AgentStatus {
    const pids = [process.pid, this.#spare?.pid, this.#holder?.pid].filter((pid): pid is number =>
      Boolean(pid),
    );
    return {
      pid: process.pid,
      node: process.version,
      boot: this.#boot,
      startedAt: this.#startedAt,
      memory: pids.reduce((sum, pid) => sum + residentMemory(pid), 0),
      running: this.#holder ? [this.#holder] : [],
      spare: this.#spare !== undefined,
    };
  }

  #idleFromNow(): void {
    clearTimeout(this.#idle);
    if (this.#clients.size > 0 || this.#holder) return;
    this.#idle = setTimeout(() => {
      this.#endSpare();
      rmSync(SUPERVISOR_SOCKET, { force: true });
      process.exit(0);
    }, IDLE_MS);
  }
}

/** The descriptor on which a supervisor is started with its lock. */
export const LOCK_FD = 9;

/** Another supervisor may start while we finish what runs. */
function releaseLock(): void {
  try {
    closeSync(LOCK_FD);
  } catch {
    // Started without one.
  }
}

/** Small heaps: an agent at rest should not be noticed. */
export const NODE_FLAGS = ["--max-semi-space-size=2", "--no-warnings"];

const heldBy = ({ deployment, by, since }: Holder): string =>
  `deployment ${deployment} by ${by} holds the host since ${new Date(since).toISOString()}; this one waits for its end`;

/** As Linux counts it; 0 where that cannot be known. */
function residentMemory(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
