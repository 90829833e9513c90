import { existsSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { waitsFor } from "../../model/host-lock";
import type { JobSignal } from "../../model/job";
import { ownHost } from "../../util/own-host";
import {
  type AgentStatus,
  PROTOCOL,
  type Shutdown,
  type SupervisorAnswer,
  type SupervisorRequest,
  supervisorRequestShapes,
} from "../shared/messages";
import { openWireOver, type Wire } from "../shared/wire";
import { type AgentDirectory, listenPrivately, SUPERVISOR_SOCKET } from "./directory";
import { startedAt } from "./journal";
import { memoryOf } from "./memory";
import { settledWithin } from "./processes";
import { ReclaimedWorker } from "./reclaimed-worker";
import { endAbandoned, Tenure } from "./tenure";
import { WorkerProcess } from "./worker-process";

/** Default idle time after which the supervisor exits. */
const IDLE_MS = 15 * 60 * 1000;
/** Time limit for a spare worker to show that it is alive. */
const PROBE_TIMEOUT_MS = 1500;
/** Time that a worker without a deployment, which an earlier supervisor has started, has to exit. */
const IDLE_EXIT_MS = 1000;
/** Delay of the next spare after a deployment, so that it does not slow down a deployment that follows. */
const SPARE_DELAY_MS = 250;

type Client = Wire<SupervisorAnswer>;

interface Waiting {
  readonly request: Extract<SupervisorRequest, { type: "worker" }>;
  readonly client: Client;
}

/** The deployment that holds the host. */
interface Held {
  readonly tenure: Tenure;
  readonly client?: Client;
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
  /** Further deployments: nested in one that holds the host, or let in by earlier versions. */
  #alsoHeld: Held[] = [];
  #queue: Waiting[] = [];
  /** The deployment that is about to hold the host. */
  #assigning: Waiting | undefined;
  /** What the next spare worker should have loaded. */
  #last: { readonly tree: string; readonly boot: string } | undefined;
  readonly #clients = new Set<Socket>();
  /** True: we exit as soon as no deployment holds the host; "at once": also when others wait for it. */
  #retiring: boolean | "at once" = false;
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

  /**
   * Workers outlive a killed supervisor: one that has a deployment still holds the host, and so do the commands of one that
   * was killed too. More than one is possible only when earlier versions have started them.
   */
  async #reclaimWorkers(): Promise<void> {
    const workers = ReclaimedWorker.all(this.#directory);
    const sockets = workers.map(({ socket }) => socket);
    for (const socket of this.#directory.workerSockets())
      if (!sockets.includes(socket)) rmSync(socket, { force: true });
    await endAbandoned(this.#directory, sockets);
    await Promise.all(
      workers.map(async (worker) => {
        const started = startedAt(this.#directory, worker.socket);
        if (!started) worker.exitIfIdle();
        const idle = !started && (await settledWithin(IDLE_EXIT_MS, worker.finished));
        if (!idle) this.#reclaim(worker);
      }),
    );
  }

  #reclaim(worker: ReclaimedWorker): void {
    const holder = startedAt(this.#directory, worker.socket) ?? {
      deployment: "unknown",
      by: "an earlier agent",
      since: Date.now(),
    };
    this.#hold({ tenure: new Tenure(this.#directory, { ...holder, pid: worker.pid }, worker) });
  }

  #hold(held: Held): void {
    if (this.#held) this.#alsoHeld.push(held);
    else this.#held = held;
    void held.tenure.over.then((killed) => this.#free(held, killed));
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
        if (this.#assigning?.client === client) this.#assigning = undefined;
        for (const held of this.#allHeld) if (held.client === client) held.tenure.exitIfIdle();
        this.#restartIdleTimer();
      },
    });
    client.send({ type: "welcome", boot: this.#boot, pid: process.pid, protocol: PROTOCOL });
  }

  #answer(request: SupervisorRequest, client: Client): void {
    switch (request.type) {
      case "worker": {
        const { deployment, held = [] } = request;
        // Who waits here may wait for the deployment around this one.
        if (held.includes(ownHost())) return void this.#startWithin({ request, client });
        if (this.#held)
          client.send({ type: "busy", deployment, reason: waitReason(this.#held.tenure, deployment) });
        // A reconnected client may repeat its request before we notice that its earlier connection is gone.
        this.#release(deployment);
        this.#queue.push({ request, client });
        return this.#assignNext();
      }
      case "release":
        return this.#release(request.deployment);
      case "signal":
        return this.#signal(request.deployment, request.signal);
      case "spare":
        this.#last = request;
        return this.#keepSpare();
      case "status":
        return client.send({ type: "status", ref: request.ref, status: this.#status() });
      case "ping":
        return client.send({ type: "pong" });
      case "retire":
        return this.#yield(client, request.protocol);
      case "shutdown":
        return this.#shutdown(client, request);
    }
  }

  #release(deployment: string): void {
    this.#dequeue(deployment);
    for (const { tenure } of this.#allHeld) if (tenure.holder.deployment === deployment) tenure.exitIfIdle();
  }

  #dequeue(deployment: string): void {
    this.#queue = this.#queue.filter(({ request }) => request.deployment !== deployment);
    if (this.#assigning?.request.deployment === deployment) this.#assigning = undefined;
  }

  #signal(deployment: string, signal: JobSignal): void {
    if (signal !== "cancel") return;
    this.#dequeue(deployment);
    for (const { tenure } of this.#allHeld) if (tenure.holder.deployment === deployment) tenure.cancel();
  }

  /** Stops when the running deployment has finished; `force` ends that one now. */
  #shutdown(client: Client, { ref, force }: Shutdown): void {
    const held = this.#held;
    this.#retire(true);
    if (!held || !force)
      return client.send({ type: "done", ref, ...(held && { holder: held.tenure.holder }) });
    for (const { tenure } of this.#allHeld) tenure.cancel();
    void held.tenure.over.then((killed) =>
      client.send({
        type: "done",
        ref,
        holder: held.tenure.holder,
        how: killed ?? "it was cancelled",
      }),
    );
  }

  /**
   * A supervisor of another version would take our place. It can when nobody else uses us; while a deployment holds the
   * host, so do we. One that speaks our protocol does not need to.
   */
  #yield(client: Client, protocol: number | undefined): void {
    const wanted =
      this.#held !== undefined ||
      this.#assigning !== undefined ||
      this.#queue.length > 0 ||
      this.#clients.size > 1;
    if (protocol === PROTOCOL && wanted) return client.send({ type: "kept" });
    const held = this.#held?.tenure;
    if (held) client.send({ type: "busy", deployment: held.holder.deployment, reason: waitReason(held, "") });
    this.#retire(protocol === PROTOCOL ? true : "at once");
  }

  /** Exits when no deployment holds the host: until then the lock is ours, so that no other supervisor starts one. */
  #retire(how: boolean | "at once"): void {
    if (this.#retiring !== "at once") this.#retiring = how;
    this.#killSpare();
    if (!this.#held && !this.#assigning && (this.#queue.length === 0 || how === "at once")) this.#exit();
  }

  #exit(): void {
    this.#killSpare();
    this.#server?.close();
    rmSync(SUPERVISOR_SOCKET, { force: true });
    // Lets the last answers out.
    setTimeout(() => process.exit(0), 20);
  }

  get #allHeld(): Held[] {
    return this.#held ? [this.#held, ...this.#alsoHeld] : [];
  }

  /** A deployment holds the host no longer. */
  #free(held: Held, killed: string | undefined): void {
    this.#alsoHeld = this.#alsoHeld.filter((each) => each !== held);
    if (this.#held === held) this.#held = this.#alsoHeld.shift();
    if (killed) process.stderr.write(`deployment ${held.tenure.holder.deployment}: ${killed}\n`);
    if (this.#held) return;
    setTimeout(() => this.#keepSpare(), SPARE_DELAY_MS);
    this.#assignNext();
  }

  /** Assigns the host, if it is free, to the next waiting deployment. */
  #assignNext(): void {
    if (this.#held || this.#assigning) return;
    const waiting = this.#retiring === "at once" ? undefined : this.#queue.shift();
    if (waiting) void this.#assign(waiting);
    else if (this.#retiring) this.#exit();
    else this.#restartIdleTimer();
  }

  async #assign(waiting: Waiting): Promise<void> {
    this.#last = waiting.request;
    this.#assigning = waiting;
    const spare = await this.#takeSpare(waiting);
    const dropped = this.#assigning !== waiting;
    this.#assigning = undefined;
    if (dropped) {
      spare?.exitIfIdle();
      return this.#assignNext();
    }
    await this.#start(waiting, spare);
  }

  /** A deployment holds the host already: one around it, or its own part over a shell. */
  async #startWithin(waiting: Waiting): Promise<void> {
    await this.#start(waiting, this.#held ? undefined : await this.#takeSpare(waiting));
  }

  /** Gives the deployment a worker. */
  async #start({ request, client }: Waiting, spare: WorkerProcess | undefined): Promise<void> {
    const { deployment, tree, boot, by } = request;
    const worker = spare ?? new WorkerProcess(this.#directory, tree, boot);
    const holder = { deployment, by, since: Date.now(), pid: worker.pid };
    this.#hold({ tenure: new Tenure(this.#directory, holder, worker), client });
    const reason = await worker.ready;
    client.send(
      reason === undefined
        ? { type: "worker", deployment, socket: worker.socket }
        : { type: "broken", deployment, tree, reason },
    );
  }

  /** The spare worker, if it fits and is alive; a stopped one is replaced. */
  async #takeSpare({
    request: { deployment, tree, boot },
    client,
  }: Waiting): Promise<WorkerProcess | undefined> {
    const spare = this.#spare;
    if (!spare || spare.tree !== tree || spare.boot !== boot) return undefined;
    this.#spare = undefined;
    if (await spare.answers(PROBE_TIMEOUT_MS)) return spare;
    spare.kill();
    const reason = `the agent's spare worker (pid ${spare.pid}) did not answer within ${PROBE_TIMEOUT_MS / 1000} s; starting another one`;
    client.send({ type: "busy", deployment, reason });
    return undefined;
  }

  /** Keeps one worker with the newest tree ready while the host is free. */
  #keepSpare(): void {
    const last = this.#last;
    if (this.#retiring || this.#held || this.#assigning || !last) return;
    const { tree, boot } = last;
    if (this.#spare?.tree === tree && this.#spare.boot === boot) return;
    if (!existsSync(this.#directory.tree(tree))) return;
    this.#killSpare();
    const spare = new WorkerProcess(this.#directory, tree, boot);
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
    const running = this.#allHeld.map(({ tenure }) => tenure.holder);
    const pids = [process.pid, this.#spare?.pid, ...running.map(({ pid }) => pid)].filter(
      (pid): pid is number => Boolean(pid),
    );
    return {
      pid: process.pid,
      node: process.version,
      boot: this.#boot,
      startedAt: this.#startedAt,
      memory: pids.reduce((sum, pid) => sum + memoryOf(pid), 0),
      running,
      spare: this.#spare !== undefined,
    };
  }

  #restartIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    if (this.#clients.size > 0 || this.#held || this.#assigning) return;
    this.#idleTimer = setTimeout(() => this.#exit(), this.#idleMs);
  }
}

const waitReason = ({ holder: { deployment, by, since }, stuck }: Tenure, requested: string): string =>
  deployment === requested
    ? "waiting for an earlier connection of this deployment to close"
    : `${waitsFor({ deployment, by, since: new Date(since).toISOString() })}${stuck}`;
