import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer, Socket } from "node:net";
import { homedir } from "node:os";
import path from "node:path";
import { applyBehind, type Course } from "../chain";
import { localConnection } from "../connection/local";
import { Cancelled, FailedChange, failureOf } from "../errors";
import type { StepEvent } from "../events";
import { definitionOf, everything } from "../prepare";
import { properties } from "../property";
import { problems, warm } from "../schema";
import { CHILD, CHILD_FD } from "./child";
import { Journal } from "./journal";
import type { Kit } from "./kit";
import {
  type Job,
  type JobOutcome,
  type JobSignal,
  stoppedBy,
  type WorkerAnswer,
  type WorkerRequest,
} from "./messages";
import { Place } from "./place";
import { converseOver, decode, type Wire } from "./wire";
import { workerKit } from "./worker-kit";

/** How much may wait to be taken by a link before the link is given up; the journal has it all. */
const MAX_PENDING = 16 * 1024 * 1024;
/** Events are sent together when they come together. */
const BATCH_MS = 4;

/**
 * A fresh process with the sources loaded and nothing else in it. It applies one deployment, and ends. Losing the
 * link does not stop it.
 */
class Worker {
  readonly #kit: Kit;
  readonly #origin: Origin;
  /** Those that do parts of the work for us. */
  readonly #workers = new Set<(signal: JobSignal) => void>();
  readonly #links = new Set<Wire<WorkerAnswer>>();
  readonly #cancel = new AbortController();
  #stopping: string | undefined;
  #job: Job | undefined;
  #unsent: StepEvent[] = [];
  #sent = 0;
  #since = 0;
  #journal: Journal | undefined;
  #flush: NodeJS.Timeout | undefined;

  constructor(kit: Kit, origin: Origin) {
    this.#kit = kit;
    this.#origin = origin;
    process.chdir(existsSync(homedir()) ? homedir() : "/");
  }

  /** Takes a job from whoever connects to our socket. A spare whose supervisor is gone ends; one at work goes on. */
  listen(place: Place, socketName: string): void {
    const directory = process.cwd();
    // The name is relative to the directory of the sockets: see Place.
    process.chdir(place.run);
    createServer((socket) => this.#serve(socket)).listen(socketName, () => {
      process.chdir(directory);
      if (!process.connected) process.exit(0);
      process.send?.("ready");
    });
    process.on("disconnect", () => {
      if (!this.#job) process.exit(0);
    });
  }

  /** Takes a job from the worker that started us, and ends when that one does. */
  obey(socket: Socket): void {
    const link: Wire<WorkerAnswer> = this.#serve(socket, () => process.exit(0));
    link.send({ type: "ready" });
  }

  #serve(socket: Socket, onEnd = () => {}): Wire<WorkerAnswer> {
    const link: Wire<WorkerAnswer> = converseOver<WorkerRequest, WorkerAnswer>(socket, {
      onMessage: (request) => {
        if (request.type === "job") void this.#work(request.job, link);
        if (request.type === "signal") this.#signal(request.signal);
        if (request.type === "ping") this.#identify(link);
      },
      onEnd: () => {
        this.#links.delete(link);
        socket.destroy();
        onEnd();
      },
    });
    return link;
  }

  /** A supervisor that came after ours wants to know who holds the host. One that is idle is of no use to it. */
  #identify(link: Wire<WorkerAnswer>): void {
    if (!this.#job) process.exit(0);
    const { deployment, by } = this.#job;
    link.send({ type: "working", deployment, by, since: this.#since, pid: process.pid });
  }

  #signal(signal: JobSignal): void {
    this.#stopping ??= stoppedBy(signal);
    for (const pass of this.#workers) pass(signal);
    if (signal === "cancel") this.#cancel.abort(new Cancelled(stoppedBy(signal)));
  }

  async #work(packed: Buffer, link: Wire<WorkerAnswer>): Promise<void> {
    if (this.#job) return;
    const job = decode(packed) as Job;
    this.#job = job;
    this.#since = Date.now();
    this.#links.add(link);
    const at = new Date(this.#since).toISOString();
    const { place, socketName: socket } = this.#origin;
    this.#journal = place && new Journal(place, job.deployment);
    this.#journal?.write({ started: { host: job.host.name, by: job.by, at, socket } });
    const outcome = await this.#outcome(job);
    this.#send();
    this.#journal?.write({ outcome });
    this.#journal?.close();
    for (const each of this.#links) {
      each.send({ type: "outcome", deployment: job.deployment, outcome });
      each.end();
    }
    if (place) rmSync(path.join(place.run, socket), { force: true });
    // Whoever is still connected gets what was written; nobody can hold us longer than this.
    setTimeout(() => process.exit(0), 2000).unref();
    process.disconnect?.();
    await Promise.all([...this.#links].map((each) => each.finished));
    process.exit(0);
  }

  async #outcome(job: Job): Promise<JobOutcome> {
    const course: Course = {
      deployment: job.deployment,
      by: job.by,
      kit: this.#kit,
      ask: undefined,
      signal: this.#cancel.signal,
      stopped: () => this.#stopping,
      workers: this.#workers,
    };
    const ground = { connection: localConnection(), ownProcess: true };
    try {
      refuseUnfit(job);
      return await applyBehind(job, ground, course, (event) => this.#emit(event));
    } catch (error) {
      return {
        change: "unchanged",
        failed: true,
        cancelled: error instanceof Cancelled,
        failure: failureOf(error),
      };
    }
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
    this.#journal?.write(...events.map((event) => ({ event })));
    const first = this.#sent;
    this.#sent += events.length;
    for (const link of this.#links) {
      if (link.pending > MAX_PENDING) this.#links.delete(link);
      else link.send({ type: "events", deployment: this.#job.deployment, first, events });
    }
  }
}

/** What arrives is checked again: the other end may have other sources, or be no controller of ours. */
function refuseUnfit({ application }: Job): void {
  for (const { property, args } of everything(application)) {
    const complaints = problems(definitionOf(property).args, args);
    if (complaints.length > 0)
      throw new FailedChange(
        `${property} arrived with other arguments than it takes: ${complaints.join("; ")}`,
      );
  }
}

/** Loads all properties of the tree, and makes their checks ready while nobody waits. */
function load(tree: string): void {
  const { entries } = JSON.parse(readFileSync(path.join(tree, "tree.json"), "utf8")) as { entries: string[] };
  for (const entry of entries) require(path.join(tree, entry));
  for (const property of properties.values()) warm(property.definition.args);
}

/** Whether this is a spare of a supervisor, with a socket and a journal, or the child of another worker, with neither. */
interface Origin {
  readonly place: Place | undefined;
  readonly socketName: string;
}

process.umask(0o022);
const [, self = "", root = "", socketName = "", boot = ""] = process.argv;
const tree = path.resolve(path.dirname(self), "../../../..");
load(tree);
if (root === CHILD) {
  const kit = workerKit({ node: process.execPath, boot: path.join(path.dirname(tree), "boot.js"), tree });
  new Worker(kit, { place: undefined, socketName: "" }).obey(
    new Socket({ fd: CHILD_FD, readable: true, writable: true }),
  );
} else {
  const place = new Place(root);
  new Worker(workerKit({ node: process.execPath, boot, tree }), { place, socketName }).listen(
    place,
    socketName,
  );
}
