import { closeSync, existsSync, readFileSync, rmSync } from "node:fs";
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import {
  type AgentStatus,
  type Holder,
  type SupervisorAnswer,
  type SupervisorRequest,
  supervisorRequestShapes,
  type WorkerAnswer,
  type WorkerRequest,
  workerAnswerShapes,
} from "../shared/messages";
import { LOCK_FD } from "../shared/process";
import { openWireOver, type Wire } from "../shared/wire";
import { type AgentDirectory, listenPrivately, SUPERVISOR_SOCKET } from "./directory";
import { WorkerProcess } from "./worker-process";

/** Default idle time after which the supervisor exits. */
const IDLE_MS = 15 * 60 * 1000;
/** Time limit for a worker of an earlier supervisor to answer a ping. */
const PING_TIMEOUT_MS = 1000;
/** Delay of the next spare after a deployment, so that it does not slow down a deployment that follows. */
const SPARE_DELAY_MS = 250;

type Client = Wire<SupervisorAnswer>;

interface Waiting {
  readonly request: Extract<SupervisorRequest, { type: "worker" }>;
  readonly client: Client;
}

/** The deployment that holds the host. `worker` is undefined when an earlier supervisor started it. */
interface Held {
  readonly holder: Holder;
  readonly client?: Client;
  readonly worker?: WorkerProcess;
}

/**
 * Runs once per user and host. It keeps a warm worker ready and assigns it to one deployment at a time. It never sees
 * jobs or secrets: relays connect to the workers directly.
 */
export class Supervisor {
  readonly #startedAt = Date.now();
  readonly #directory: AgentDirectory;
  readonly #boot: string;
  readonly #idleMs: number;
  #server: Server | undefined;
  #spare: WorkerProcess | undefined;
  #held: Held | undefined;
  #queue: Waiting[] = [];
  #lastTree: string | undefined;
  readonly #clients = new Set<Socket>();
  #retiring = false;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(directory: AgentDirectory, boot: string, idleMs = IDLE_MS) {
    this.#directory = directory;
    this.#boot = boot;
    this.#idleMs = idleMs;
  }

  /** Starts to listen; rejects when another supervisor is listening. */
  async start(): Promise<void> {
    await this.#reclaimWorkers();
    rmSync(SUPERVISOR_SOCKET, { force: true });
    this.#server = createServer((socket) => this.#serve(socket));
    await listenPrivately(this.#server, SUPERVISOR_SOCKET);
    this.#restartIdleTimer();
  }

  /** Workers outlive a killed supervisor: one that is running a deployment still holds the host. */
  async #reclaimWorkers(): Promise<void> {
    for (const socket of this.#directory.workerSockets()) {
      const holder = await this.#ping(socket, () => this.#free());
      if (holder) this.#held = { holder };
      else rmSync(socket, { force: true });
    }
  }

  /** The deployment of the worker at `socket`; undefined when it is idle or gone. Calls `onExit` when it exits. */
  #ping(socket: string, onExit: () => void): Promise<Holder | undefined> {
    return new Promise((resolve) => {
      let busy = false;
      const worker: Wire<WorkerRequest> = openWireOver<WorkerAnswer, WorkerRequest>(connectSocket(socket), {
        shapes: workerAnswerShapes,
        onMessage: (answer) => {
          if (answer.type !== "working") return;
          busy = true;
          resolve(answer);
        },
        onEnd: () => (busy ? onExit() : resolve(undefined)),
      });
      worker.send({ type: "ping" });
      // No answer: the worker is running a step.
      setTimeout(() => {
        busy = true;
        resolve({ deployment: "unknown", by: "an earlier agent", since: Date.now(), pid: 0 });
      }, PING_TIMEOUT_MS).unref();
    });
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket);
    clearTimeout(this.#idleTimer);
    const client: Client = openWireOver<SupervisorRequest, SupervisorAnswer>(socket, {
      shapes: supervisorRequestShapes,
      onMessage: (request) => this.#answer(request, client),
      refusal: ({ message }) => ({ type: "refused", message }) satisfies SupervisorAnswer,
      onEnd: () => {
        this.#clients.delete(socket);
        socket.end();
        this.#queue = this.#queue.filter((waiting) => waiting.client !== client);
        if (this.#held?.client === client) this.#held.worker?.exitIfIdle();
        this.#restartIdleTimer();
      },
    });
    client.send({ type: "welcome", boot: this.#boot, pid: process.pid });
  }

  #answer(request: SupervisorRequest, client: Client): void {
    switch (request.type) {
      case "worker": {
        const { deployment } = request;
        if (this.#held)
          client.send({ type: "busy", deployment, reason: waitReason(this.#held.holder, deployment) });
        // A reconnected client may repeat its request before we notice that its earlier connection is gone.
        this.#release(deployment);
        this.#queue.push({ request, client });
        return this.#assignNext();
      }
      case "release":
        return this.#release(request.deployment);
      case "spare":
        this.#lastTree = request.tree;
        return this.#keepSpare();
      case "status":
        return client.send({ type: "status", ref: request.ref, status: this.#status() });
      case "retire":
        return this.#retire();
      case "shutdown":
        client.send({ type: "done", ref: request.ref });
        return this.#retire();
    }
  }

  #release(deployment: string): void {
    this.#queue = this.#queue.filter(({ request }) => request.deployment !== deployment);
    if (this.#held?.holder.deployment === deployment) this.#held.worker?.exitIfIdle();
  }

  /** Accepts no new deployment and lets another supervisor start. The running deployment is finished. */
  #retire(): void {
    if (this.#retiring) return;
    this.#retiring = true;
    this.#server?.close();
    rmSync(SUPERVISOR_SOCKET, { force: true });
    try {
      closeSync(LOCK_FD);
    } catch {
      // Started without a lock.
    }
    this.#killSpare();
    if (!this.#held) setTimeout(() => process.exit(0), 20);
  }

  /** The host is free again: its deployment has finished. */
  #free(): void {
    this.#held = undefined;
    setTimeout(() => this.#keepSpare(), SPARE_DELAY_MS);
    this.#assignNext();
  }

  /** Assigns the host, if it is free, to the next waiting deployment. */
  #assignNext(): void {
    if (this.#held) return;
    if (this.#retiring) process.exit(0);
    const waiting = this.#queue.shift();
    if (waiting) void this.#assign(waiting);
    else this.#restartIdleTimer();
  }

  async #assign({ request, client }: Waiting): Promise<void> {
    const { deployment, tree, by } = request;
    this.#lastTree = tree;
    const worker =
      this.#spare?.tree === tree ? this.#spare : new WorkerProcess(this.#directory, tree, this.#boot);
    if (worker === this.#spare) this.#spare = undefined;
    const holder = { deployment, by, since: Date.now(), pid: worker.pid };
    this.#held = { holder, client, worker };
    void worker.finished.then(() => this.#free());
    const reason = await worker.ready;
    client.send(
      reason === undefined
        ? { type: "worker", deployment, socket: worker.socket }
        : { type: "broken", deployment, tree, reason },
    );
  }

  /** Keeps one worker with the newest tree ready while the host is free. */
  #keepSpare(): void {
    const tree = this.#lastTree;
    if (this.#retiring || this.#held || tree === undefined || this.#spare?.tree === tree) return;
    if (!existsSync(this.#directory.tree(tree))) return;
    this.#killSpare();
    const spare = new WorkerProcess(this.#directory, tree, this.#boot);
    this.#spare = spare;
    void spare.finished.then(() => {
      if (this.#spare === spare) this.#spare = undefined;
    });
  }

  #killSpare(): void {
    this.#spare?.kill();
    this.#spare = undefined;
  }

  #status(): AgentStatus {
    const holder = this.#held?.holder;
    const pids = [process.pid, this.#spare?.pid, holder?.pid].filter((pid): pid is number => Boolean(pid));
    return {
      pid: process.pid,
      node: process.version,
      boot: this.#boot,
      startedAt: this.#startedAt,
      memory: pids.reduce((sum, pid) => sum + memoryOf(pid), 0),
      running: holder ? [holder] : [],
      spare: this.#spare !== undefined,
    };
  }

  #restartIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    if (this.#clients.size > 0 || this.#held) return;
    this.#idleTimer = setTimeout(() => {
      this.#killSpare();
      rmSync(SUPERVISOR_SOCKET, { force: true });
      process.exit(0);
    }, this.#idleMs);
  }
}

const waitReason = ({ deployment, by, since }: Holder, requested: string): string =>
  deployment === requested
    ? "waiting for an earlier connection of this deployment to close"
    : `deployment ${deployment} by ${by} has held the host since ${new Date(since).toISOString()}; waiting for it to finish`;

/** Proportional set size in bytes: shared pages are divided among the processes. 0 when /proc has no figure. */
function memoryOf(pid: number): number {
  const kilobytes = (file: string, line: RegExp) => {
    try {
      return Number(line.exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))?.[1] ?? 0);
    } catch {
      return 0;
    }
  };
  return 1024 * (kilobytes("smaps_rollup", /^Pss:\s+(\d+)/m) || kilobytes("status", /VmRSS:\s+(\d+)/));
}
