import { readFileSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { userInfo } from "node:os";
import path from "node:path";
import { type AtEnd, applyTree } from "../apply";
import { Cancelled, FailedChange, failureOf } from "../errors";
import type { StepEvent } from "../events";
import { HostModel } from "../host";
import { definitionOf, everything } from "../prepare";
import { properties } from "../property";
import { problems, warm } from "../schema";
import { eventsFrom, Journal, readJournal } from "./journal";
import { LocalTarget } from "./local-target";
import {
  type Job,
  type JobOutcome,
  type JobSignal,
  LEAVE,
  stoppedBy,
  type WorkerAnswer,
  type WorkerRequest,
  type WorkerState,
  workerRequestShapes,
} from "./messages";
import { listenPrivately, Place } from "./place";
import { converseOver, decode, type Wire } from "./wire";

/** How much may wait to be taken by a link before the link is given up; the journal has it all. */
const MAX_PENDING = 16 * 1024 * 1024;
/** Events are sent together when they come together. */
const BATCH_MS = 4;

/**
 * A fresh process with the sources loaded and nothing else in it. It applies one deployment, and ends. Losing the
 * link does not stop it.
 */
class Worker {
  readonly #place: Place;
  readonly #socketName: string;
  readonly #links = new Set<Wire<WorkerAnswer>>();
  readonly #cancel = new AbortController();
  #stopping: string | undefined;
  #job: Job | undefined;
  #unsent: StepEvent[] = [];
  #sent = 0;
  #since = 0;
  #journal: Journal | undefined;
  #flush: NodeJS.Timeout | undefined;

  constructor(place: Place, socketName: string) {
    this.#place = place;
    this.#socketName = socketName;
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
      onMessage: (request) => {
        if (request.type === "job") void this.#work(request.job, link);
        if (request.type === "follow") this.#follow(request.after, link);
        if (request.type === "signal") this.#signal(request.signal);
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

  #signal(signal: JobSignal): void {
    this.#stopping ??= stoppedBy(signal);
    if (signal === "cancel") this.#cancel.abort(new Cancelled(stoppedBy(signal)));
  }

  async #work(packed: Buffer, link: Wire<WorkerAnswer>): Promise<void> {
    if (this.#job) return;
    const job = decode(packed) as Job;
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
    const outcome = await this.#outcome(job);
    this.#send();
    this.#journal.write({ outcome });
    this.#journal.close();
    for (const each of this.#links) {
      each.send({ type: "outcome", deployment: job.deployment, outcome });
      each.end();
    }
    rmSync(path.join(this.#place.run, this.#socketName), { force: true });
    this.#tell("over");
    // Whoever is still connected gets what was written; nobody can hold us longer than this.
    setTimeout(() => process.exit(0), 2000).unref();
    await Promise.all([...this.#links].map((each) => each.finished));
    process.exit(0);
  }

  async #outcome(job: Job): Promise<JobOutcome> {
    const atEnd: AtEnd = new Map();
    const memory = new Map<string, unknown>();
    const host = new HostModel(job.host);
    try {
      refuseUnfit(job);
      return await applyTree(job.application, {
        target: (output) =>
          new LocalTarget({
            host,
            signal: this.#cancel.signal,
            output,
            atEnd: (key, act) => void atEnd.set(key, act),
            memory,
          }),
        emit: (event) => this.#emit(event),
        stopped: () => this.#stopping,
        atEnd,
      });
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
    const first = this.#sent;
    this.#journal?.write(...events.map((event, index) => ({ n: first + index, event })));
    this.#sent += events.length;
    for (const link of this.#links) {
      if (link.pending > MAX_PENDING) link.break();
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

process.umask(0o022);
const [, self = "", root = "", socketName = ""] = process.argv;
const place = new Place(root);
load(path.resolve(path.dirname(self), "../../../.."));
void new Worker(place, socketName).start();
