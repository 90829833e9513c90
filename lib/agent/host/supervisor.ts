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
import { converseOver, type Wire } from "../shared/wire";
import { type AgentDirectory, listenPrivately, SUPERVISOR_SOCKET } from "./directory";
import { WorkerProcess } from "./worker-process";

/** How long nobody may need us before we end, unless the command line says otherwise. */
const IDLE_MS = 15 * 60 * 1000;
/** How long a worker of an earlier supervisor may take to say who it is. */
const PING_TIMEOUT_MS = 1000;
/** How long after a worker was taken the next spare is started, so that it does not slow that one down. */
const SPARE_DELAY_MS = 250;

type Client = Wire<SupervisorAnswer>;

interface Waiting {
  readonly request: Extract<SupervisorRequest, { type: "worker" }>;
  readonly client: Client;
}

/** Who has the host, and the worker when it is one of ours. */
interface Held {
  readonly holder: Holder;
  readonly client?: Client;
  readonly worker?: WorkerProcess;
}

/**
 * One a user and host. It keeps a warm worker ready, gives it to one deployment at a time, and sees neither
 * deployments nor secrets: relays talk to workers on sockets of their own.
 */
export class Supervisor {
  readonly #startedAt = Date.now();
  readonly #place: AgentDirectory;
  readonly #boot: string;
  readonly #idleMs: number;
  #server: Server | undefined;
  #spare: WorkerProcess | undefined;
  #held: Held | undefined;
  #queue: Waiting[] = [];
  #lastTree: string | undefined;
  readonly #clients = new Set<Socket>();
  #retiring = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(place: AgentDirectory, boot: string, idleMs = IDLE_MS) {
    this.#place = place;
    this.#boot = boot;
    this.#idleMs = idleMs;
  }

  /** Listens; throws when another supervisor does. */
  async start(): Promise<void> {
    await this.#adopt();
    rmSync(SUPERVISOR_SOCKET, { force: true });
    this.#server = createServer((socket) => this.#serve(socket));
    await listenPrivately(this.#server, SUPERVISOR_SOCKET);
    this.#idleFromNow();
  }

  /** Workers of a supervisor that was killed go on: one that holds the host still holds it, and ends with its work. */
  async #adopt(): Promise<void> {
    for (const socket of this.#place.workerSockets()) {
      const holder = await this.#ask(socket, () => this.#free());
      if (holder) this.#held = { holder };
      else rmSync(socket, { force: true });
    }
  }

  /** Who works behind `socket`; undefined when nobody does. `onGone` is called when that one ends. */
  #ask(socket: string, onGone: () => void): Promise<Holder | undefined> {
    return new Promise((settled) => {
      let works = false;
      const worker: Wire<WorkerRequest> = converseOver<WorkerAnswer, WorkerRequest>(connectSocket(socket), {
        shapes: workerAnswerShapes,
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
      }, PING_TIMEOUT_MS).unref();
    });
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket);
    clearTimeout(this.#idle);
    const client: Client = converseOver<SupervisorRequest, SupervisorAnswer>(socket, {
      shapes: supervisorRequestShapes,
      onMessage: (request) => this.#answer(request, client),
      refusal: ({ message }) => ({ type: "refused", message }) satisfies SupervisorAnswer,
      onEnd: () => {
        this.#clients.delete(socket);
        socket.end();
        this.#queue = this.#queue.filter((waiting) => waiting.client !== client);
        if (this.#held?.client === client) this.#held.worker?.leave();
        this.#idleFromNow();
      },
    });
    client.send({ type: "welcome", boot: this.#boot, pid: process.pid });
  }

  #answer(request: SupervisorRequest, client: Client): void {
    switch (request.type) {
      case "worker": {
        const { deployment } = request;
        if (this.#held)
          client.send({ type: "busy", deployment, reason: heldBy(this.#held.holder, deployment) });
        // One that lost its link may ask again before we know that the link is lost.
        this.#withdraw(deployment);
        this.#queue.push({ request, client });
        return this.#next();
      }
      case "withdraw":
        return this.#withdraw(request.deployment);
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

  #withdraw(deployment: string): void {
    this.#queue = this.#queue.filter(({ request }) => request.deployment !== deployment);
    if (this.#held?.holder.deployment === deployment) this.#held.worker?.leave();
  }

  /** Nothing new is taken, and another supervisor may start. What runs is finished. */
  #retire(): void {
    if (this.#retiring) return;
    this.#retiring = true;
    this.#server?.close();
    rmSync(SUPERVISOR_SOCKET, { force: true });
    try {
      closeSync(LOCK_FD);
    } catch {
      // Started without one.
    }
    this.#endSpare();
    if (!this.#held) setTimeout(() => process.exit(0), 20);
  }

  /** Whoever had the host is done with it. */
  #free(): void {
    this.#held = undefined;
    setTimeout(() => this.#keepSpare(), SPARE_DELAY_MS);
    this.#next();
  }

  /** Gives the host to the next that waits for it, when it is free. */
  #next(): void {
    if (this.#held) return;
    if (this.#retiring) process.exit(0);
    const waiting = this.#queue.shift();
    if (waiting) void this.#give(waiting);
    else this.#idleFromNow();
  }

  async #give({ request, client }: Waiting): Promise<void> {
    const { deployment, tree, by } = request;
    this.#lastTree = tree;
    const worker =
      this.#spare?.tree === tree ? this.#spare : new WorkerProcess(this.#place, tree, this.#boot);
    if (worker === this.#spare) this.#spare = undefined;
    const holder = { deployment, by, since: Date.now(), pid: worker.pid };
    this.#held = { holder, client, worker };
    void worker.over.then(() => this.#free());
    const reason = await worker.ready;
    client.send(
      reason === undefined
        ? { type: "worker", deployment, socket: worker.socket }
        : { type: "broken", deployment, tree, reason },
    );
  }

  /** One worker with the newest tree stands ready while nothing else goes on. */
  #keepSpare(): void {
    const tree = this.#lastTree;
    if (this.#retiring || this.#held || tree === undefined || this.#spare?.tree === tree) return;
    if (!existsSync(this.#place.tree(tree))) return;
    this.#endSpare();
    const spare = new WorkerProcess(this.#place, tree, this.#boot);
    this.#spare = spare;
    void spare.over.then(() => {
      if (this.#spare === spare) this.#spare = undefined;
    });
  }

  #endSpare(): void {
    this.#spare?.end();
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

  #idleFromNow(): void {
    clearTimeout(this.#idle);
    if (this.#clients.size > 0 || this.#held) return;
    this.#idle = setTimeout(() => {
      this.#endSpare();
      rmSync(SUPERVISOR_SOCKET, { force: true });
      process.exit(0);
    }, this.#idleMs);
  }
}

const heldBy = ({ deployment, by, since }: Holder, wanted: string): string =>
  deployment === wanted
    ? "an earlier link of this deployment is still being given up"
    : `deployment ${deployment} by ${by} holds the host since ${new Date(since).toISOString()}; this one waits for its end`;

/** Bytes, as Linux counts them: what a process shares with others counts for its part. 0 where that cannot be known. */
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
