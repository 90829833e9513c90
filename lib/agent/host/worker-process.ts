import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { loginEnvironment } from "../../util/login-environment";
import { CANCEL_JOB, EXIT_IF_IDLE, PROBE, type WorkerState } from "../shared/messages";
import { LOCK_FD, NODE_FLAGS } from "../shared/process";
import { programIn } from "../shared/tree";
import { type AgentDirectory, WORKER_SOCKET } from "./directory";
import { isStopped, settledWithin } from "./processes";

/** A larger log, in bytes, is rotated; one old log is kept. */
const MAX_LOG = 1024 * 1024;
/** Bytes of a worker's log included in the error when it fails to start. */
const MAX_EXCERPT = 2000;

/** Keeps the supervisor's lock from its workers: they outlive it and must not hold the lock. */
const uninherited = Array.from({ length: LOCK_FD - 3 }, () => "ignore" as const);

/** A worker that a deployment has, or will have. */
export interface HeldWorker {
  readonly pid: number;
  /** The name of its socket. */
  readonly socket: string;
  /** Settles when its job has finished, or when it has exited: true when it reported the end of its job. */
  readonly finished: Promise<boolean>;
  /** Asks it to cancel its job. */
  cancel(): void;
  /** Makes it exit, unless a job is running. */
  exitIfIdle(): void;
}

/** The supervisor's handle on a worker that it has started. */
export class WorkerProcess implements HeldWorker {
  readonly tree: string;
  readonly boot: string;
  readonly socket: string;
  /** Settles when it accepts a job, or with the reason why it never will. */
  readonly ready: Promise<string | undefined>;
  readonly finished: Promise<boolean>;
  readonly #process: ChildProcess;
  readonly #socketFile: string;

  constructor(directory: AgentDirectory, tree: string, boot: string) {
    const id = `${process.pid.toString(36)}${Math.floor(performance.now() * 1000).toString(36)}`;
    this.tree = tree;
    this.boot = boot;
    this.socket = `${WORKER_SOCKET}${id}-${tree.slice(0, 16)}`;
    this.#socketFile = path.join(directory.run, this.socket);
    rotate(directory.log);
    const log = openSync(directory.log, "a", 0o600);
    const logStart = statSync(directory.log).size;
    const main = programIn(directory.tree(tree), "worker");
    this.#process = spawn(
      process.execPath,
      [...NODE_FLAGS, main, directory.root, this.socket, directory.boot(boot)],
      {
        stdio: ["ignore", log, log, "ipc", ...uninherited],
        cwd: directory.run,
        env: loginEnvironment(),
        detached: true,
      },
    );
    closeSync(log);
    const states = this.#states();
    const exit = new Promise<string>((resolve) => {
      this.#process.once("error", (error) => resolve(error.message));
      this.#process.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    this.ready = Promise.race([
      states.ready,
      exit.then((how) => `the worker exited at startup (${how})${logExcerpt(directory.log, logStart)}`),
    ]);
    this.finished = Promise.race([states.finished.then(() => true), exit.then(() => false)]);
    void exit.then(() => rmSync(this.#socketFile, { force: true }));
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  exitIfIdle(): void {
    this.#send(EXIT_IF_IDLE);
  }

  cancel(): void {
    this.#send(CANCEL_JOB);
  }

  /** True when it has loaded and answers within `ms`; a process that a signal has stopped does not, or not even load. */
  async answers(ms: number): Promise<boolean> {
    while (!(await settledWithin(ms, this.ready))) if (isStopped(this.pid)) return false;
    if ((await this.ready) !== undefined) return false;
    const alive = new Promise<void>((resolve) => {
      this.#process.on("message", (message) => {
        if (message === ("alive" satisfies WorkerState)) resolve();
      });
    });
    this.#send(PROBE);
    const settled = await settledWithin(ms, Promise.race([alive, this.finished]));
    return settled && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Kills it and removes its socket at once, because we may be about to exit as well. Idle workers only. */
  kill(): void {
    // A stopped process does not receive SIGTERM.
    this.#process.kill("SIGKILL");
    rmSync(this.#socketFile, { force: true });
  }

  #send(message: string): void {
    if (this.#process.connected) this.#process.send(message, () => {});
  }

  #states(): { ready: Promise<undefined>; finished: Promise<void> } {
    const reached = (state: WorkerState) =>
      new Promise<undefined>((resolve) => {
        this.#process.on("message", (message) => {
          if (message === state) resolve(undefined);
        });
      });
    return { ready: reached("ready"), finished: reached("finished") };
  }
}

function rotate(log: string): void {
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG) renameSync(log, `${log}.old`);
}

/** The content of `log` from byte `start` on. */
function logExcerpt(log: string, start: number): string {
  try {
    const file = openSync(log, "r");
    try {
      const length = Math.max(0, statSync(log).size - start);
      const excerpt = Buffer.alloc(Math.min(length, MAX_EXCERPT));
      readSync(file, excerpt, 0, excerpt.length, start);
      const text = excerpt.toString("utf8").trim();
      return text === "" ? "" : `:\n${text}`;
    } finally {
      closeSync(file);
    }
  } catch {
    return `; see ${log} on the host`;
  }
}
