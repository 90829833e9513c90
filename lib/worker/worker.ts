import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { userInfo } from "node:os";
import path from "node:path";
import { AgentDirectory, listenPrivately } from "../agent/host/directory";
import { eventsFrom, Journal, readJournal } from "../agent/host/journal";
import { jobIn } from "../agent/shared/job";
import {
  LEAVE,
  type WorkerAnswer,
  type WorkerRequest,
  type WorkerState,
  workerRequestShapes,
} from "../agent/shared/messages";
import { ownTree } from "../agent/shared/tree";
import { converseOver, type Wire } from "../agent/shared/wire";
import type { AgentArtifacts } from "../model/agent-artifacts";
import type { StepEvent } from "../model/events";
import type { Job } from "../model/job";
import { workerArtifacts } from "./artifacts";
import { JobRun, loadTree } from "./job";

/** How much may wait to be taken by a link before the link is given up; the journal has it all. */
const MAX_PENDING = 16 * 1024 * 1024;
/** Events are sent together when they come together. */
const BATCH_MS = 4;

/**
 * A fresh process with the sources loaded and nothing else in it. It applies one deployment, and ends. Losing the
 * link does not stop it.
 */
class Worker {
  readonly #place: AgentDirectory;
  readonly #socketName: string;
  readonly #links = new Set<Wire<WorkerAnswer>>();
  readonly #run: JobRun;
  #job: Job | undefined;
  #unsent: StepEvent[] = [];
  #sent = 0;
  #since = 0;
  #journal: Journal | undefined;
  #flush: NodeJS.Timeout | undefined;

  constructor(place: AgentDirectory, socketName: string, artifacts: AgentArtifacts) {
    this.#place = place;
    this.#socketName = socketName;
    this.#run = new JobRun(artifacts);
  }

  async start(): Promise<void> {
    process.chdir(this.#place.run);
    await listenPrivately(
      createServer((socket) => this.#serve(socket)),
      this.#socketName,
    );
    process.chdir(userInfo().homedir);
    if (!process.connected) process.exit(0);
    // A spare whose supervisor is gone is of no use; one at work goes on.
    process.on("disconnect", () => this.#leave());
    process.on("message", (message) => {
      if (message === LEAVE) this.#leave();
    });
    this.#tell("ready");
  }

  #tell(state: WorkerState): void {
    if (process.connected) process.send?.(state, () => {});
  }

  #leave(): void {
    if (this.#job) return;
    rmSync(path.join(this.#place.run, this.#socketName), { force: true });
    process.exit(0);
  }

  #serve(socket: Socket): void {
    const link: Wire<WorkerAnswer> = converseOver<WorkerRequest, WorkerAnswer>(socket, {
      shapes: workerRequestShapes,
      refusal: ({ message }) => ({ type: "refused", message }) satisfies WorkerAnswer,
      onMessage: (request) => {
        if (request.type === "job") void this.#work(jobIn(request.job), link);
        if (request.type === "follow") this.#follow(request.after, link);
        if (request.type === "signal") this.#run.signal(request.signal);
        if (request.type === "ping") this.#identify(link);
      },
      onEnd: () => {
        this.#links.delete(link);
        socket.destroy();
      },
    });
  }

  /** Somebody who lost the link hears what was missed, and is there for the rest. */
  #follow(after: number, link: Wire<WorkerAnswer>): void {
    if (!this.#job) return this.#leave();
    this.#send();
    const { deployment } = this.#job;
    for (const run of eventsFrom(readJournal(this.#place, deployment) ?? [], after + 1))
      link.send({ type: "events", deployment, ...run });
    this.#links.add(link);
  }

  /** A supervisor that came after ours wants to know who holds the host. One that is idle is of no use to it. */
  #identify(link: Wire<WorkerAnswer>): void {
    if (!this.#job) return this.#leave();
    const { deployment, by } = this.#job;
    link.send({ type: "working", deployment, by, since: this.#since, pid: process.pid });
  }

  async #work(job: Job, link: Wire<WorkerAnswer>): Promise<void> {
    if (this.#job) return;
    try {
      this.#journal = new Journal(this.#place, job.deployment);
    } catch {
      // It has begun elsewhere, and whoever asked follows that.
      return this.#leave();
    }
    this.#job = job;
    this.#tell("begun");
    this.#since = Date.now();
    this.#links.add(link);
    const at = new Date(this.#since).toISOString();
    this.#journal.write({ started: { host: job.host.name, by: job.by, at, socket: this.#socketName } });
    const outcome = await this.#run.run(job, (event) => this.#emit(event));
    this.#send();
    this.#journal.write({ outcome });
    this.#journal.close();
    // First of all, so that whoever hears of the outcome finds the host free.
    this.#tell("over");
    for (const each of this.#links) {
      each.send({ type: "outcome", deployment: job.deployment, outcome });
      each.end();
    }
    rmSync(path.join(this.#place.run, this.#socketName), { force: true });
    // Whoever is still connected gets what was written; nobody can hold us longer than this.
    setTimeout(() => process.exit(0), 2000).unref();
    await Promise.all([...this.#links].map((each) => each.finished));
    process.exit(0);
  }

  #emit(event: StepEvent): void {
    this.#unsent.push(event);
    this.#flush ??= setTimeout(() => this.#send(), BATCH_MS);
  }

  #send(): void {
    clearTimeout(this.#flush);
    this.#flush = undefined;
    const events = this.#unsent;
    if (events.length === 0 || !this.#job) return;
    this.#unsent = [];
    const first = this.#sent;
    this.#journal?.write(...events.map((event, index) => ({ n: first + index, event })));
    this.#sent += events.length;
    for (const link of this.#links) {
      if (link.pending > MAX_PENDING) link.break();
      else link.send({ type: "events", deployment: this.#job.deployment, first, events });
    }
  }
}

process.umask(0o022);
const [, , root = "", socketName = "", boot = ""] = process.argv;
const tree = ownTree();
const place = new AgentDirectory(root);
loadTree(tree);
void new Worker(place, socketName, workerArtifacts({ node: process.execPath, boot, tree })).start();
