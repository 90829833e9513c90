import { rmSync, symlinkSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { userInfo } from "node:os";
import path from "node:path";
import { CommandRecord } from "../agent/host/command-record";
import { AgentDirectory, listenPrivately } from "../agent/host/directory";
import { eventsFrom, inMessages, Journal, readJournal } from "../agent/host/journal";
import { decodeJob } from "../agent/shared/job";
import {
  CANCEL_JOB,
  EXIT_IF_IDLE,
  PROBE,
  type WorkerAnswer,
  type WorkerRequest,
  type WorkerState,
  workerRequestShapes,
} from "../agent/shared/messages";
import { ownTree } from "../agent/shared/tree";
import { openWireOver, type Wire } from "../agent/shared/wire";
import { OpenQuestions } from "../engine/questions";
import type { AgentArtifacts } from "../model/agent-artifacts";
import type { StepEvent } from "../model/events";
import type { Job } from "../model/job";
import type { Question } from "../model/questions";
import { reportGroups } from "../util/command-groups";
import { workerArtifacts } from "./artifacts";
import { JobRun, loadTree } from "./job";

/** Bytes buffered for a connection before it is dropped; the journal has everything. */
const MAX_PENDING = 16 * 1024 * 1024;
/** Events within this time are sent in one message. */
const BATCH_MS = 4;
/** Time limit for clients to receive the outcome before this process exits. */
const EXIT_GRACE_MS = 2000;

/**
 * A fresh process with only the sources loaded. It applies one deployment and exits. It continues when the connection is
 * lost.
 */
class Worker {
  readonly #directory: AgentDirectory;
  readonly #socketName: string;
  readonly #links = new Set<Wire<WorkerAnswer>>();
  readonly #run: JobRun;
  readonly #record: CommandRecord;
  readonly #questions = new OpenQuestions((number, question) => this.#ask(number, question));
  #job: Job | undefined;
  #unsent: StepEvent[] = [];
  #sent = 0;
  #since = 0;
  #journal: Journal | undefined;
  #flush: NodeJS.Timeout | undefined;

  constructor(directory: AgentDirectory, socketName: string, artifacts: AgentArtifacts) {
    this.#directory = directory;
    this.#socketName = socketName;
    this.#record = new CommandRecord(directory, socketName);
    this.#run = new JobRun(artifacts, this.#record.file);
  }

  async start(): Promise<void> {
    reportGroups(this.#record);
    process.chdir(this.#directory.run);
    await listenPrivately(
      createServer((socket) => this.#serve(socket)),
      this.#socketName,
    );
    process.chdir(userInfo().homedir);
    if (!process.connected) process.exit(0);
    // A spare exits with its supervisor; a running deployment continues.
    process.on("disconnect", () => this.#exitIfIdle());
    process.on("message", (message) => {
      if (message === EXIT_IF_IDLE) this.#exitIfIdle();
      if (message === CANCEL_JOB) this.#run.signal("cancel");
      if (message === PROBE) this.#report("alive");
    });
    this.#report("ready");
  }

  #report(state: WorkerState): void {
    if (process.connected) process.send?.(state, () => {});
  }

  #exitIfIdle(): void {
    if (this.#job) return;
    rmSync(path.join(this.#directory.run, this.#socketName), { force: true });
    process.exit(0);
  }

  #serve(socket: Socket): void {
    const link: Wire<WorkerAnswer> = openWireOver<WorkerRequest, WorkerAnswer>(socket, {
      shapes: workerRequestShapes,
      refusal: ({ message }) => ({ type: "refused", message }) satisfies WorkerAnswer,
      onMessage: (request) => {
        if (request.type === "job") void this.#start(decodeJob(request.job), link);
        if (request.type === "follow") this.#follow(request.after, link);
        if (request.type === "signal") this.#run.signal(request.signal);
        if (request.type === "reply") this.#questions.reply(request.question, request.reply);
        if (request.type === "ping") this.#identify(link);
      },
      onEnd: () => {
        this.#links.delete(link);
        socket.destroy();
      },
    });
  }

  /** Sends the missed events to a reconnected client, and then the further ones. */
  #follow(after: number, link: Wire<WorkerAnswer>): void {
    if (!this.#job) return this.#exitIfIdle();
    this.#send();
    const { deployment } = this.#job;
    for (const run of eventsFrom(readJournal(this.#directory, deployment) ?? [], after + 1))
      for (const part of inMessages(run.first, run.events))
        link.send({ type: "events", deployment, ...part });
    this.#links.add(link);
    this.#questions.repeat();
  }

  /** Answers the ping of a later supervisor with the running deployment. An idle worker exits: it cannot be reused. */
  #identify(link: Wire<WorkerAnswer>): void {
    if (!this.#job) return this.#exitIfIdle();
    const { deployment, by } = this.#job;
    link.send({ type: "working", deployment, by, since: this.#since, pid: process.pid });
  }

  async #start(job: Job, link: Wire<WorkerAnswer>): Promise<void> {
    if (this.#job) return;
    try {
      this.#journal = new Journal(this.#directory, job.deployment, job.plan !== undefined);
    } catch {
      // Another worker has started this deployment, and the relay follows that one.
      return this.#exitIfIdle();
    }
    this.#job = job;
    this.#report("started");
    this.#since = Date.now();
    this.#links.add(link);
    const at = new Date(this.#since).toISOString();
    const plan = job.plan && { plan: true };
    this.#journal.write({
      started: { host: job.host.name, by: job.by, at, socket: this.#socketName, ...plan },
    });
    const holds = this.#directory.holdsFor(job.deployment);
    if (job.resumed && job.held) symlinkSync(`/proc/${process.pid}`, holds);
    const { events = [] } = job.resumed ?? {};
    this.#journal.write(...events.map((event, n) => ({ n, event })));
    this.#sent = events.length;
    const emit = (event: StepEvent) => this.#emit(event);
    const outcome = await this.#run.run(job, emit, this.#questions.put, () => this.#send());
    rmSync(holds, { force: true });
    this.#send();
    this.#journal.write({ outcome });
    this.#journal.close();
    // Before the outcome is sent, so that the host is free for the next deployment by then.
    this.#report("finished");
    for (const each of this.#links) {
      each.send({ type: "outcome", deployment: job.deployment, outcome });
      each.end();
    }
    rmSync(path.join(this.#directory.run, this.#socketName), { force: true });
    this.#record.remove();
    // Let connected clients receive the outcome, but not without limit.
    setTimeout(() => {
      this.#journal?.pass();
      process.exit(0);
    }, EXIT_GRACE_MS).unref();
    await Promise.all([...this.#links].map((each) => each.finished));
    this.#journal.pass();
    process.exit(0);
  }

  #emit(event: StepEvent): void {
    this.#unsent.push(event);
    this.#flush ??= setTimeout(() => this.#send(), BATCH_MS);
  }

  /** Behind the events that led to it. */
  #ask(number: number, question: Question): void {
    this.#send();
    const { deployment = "" } = this.#job ?? {};
    for (const link of this.#links) link.send({ type: "question", deployment, number, question });
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
      if (link.pending > MAX_PENDING) link.destroy();
      else
        for (const part of inMessages(first, events))
          link.send({ type: "events", deployment: this.#job.deployment, ...part });
    }
  }
}

process.umask(0o022);
const [, , root = "", socketName = "", boot = ""] = process.argv;
const tree = ownTree();
const directory = new AgentDirectory(root);
loadTree(tree);
void new Worker(directory, socketName, workerArtifacts({ node: process.execPath, boot, tree })).start();
