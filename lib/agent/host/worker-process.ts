import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { loginEnvironment } from "../../util/login-environment";
import { LEAVE, type WorkerState } from "../shared/messages";
import { LOCK_FD, NODE_FLAGS } from "../shared/process";
import { programIn } from "../shared/tree";
import { type AgentDirectory, WORKER_SOCKET } from "./directory";

/** A log larger than this, in bytes, is put aside, in place of the one before. */
const MAX_LOG = 1024 * 1024;
/** How much of what a worker said before it died is passed on, in bytes. */
const LAST_WORDS = 2000;

/** The lock is the supervisor's alone, as /dev/null stands in its place: a worker that outlives it must not hold it. */
const uninherited = Array.from({ length: LOCK_FD - 3 }, () => "ignore" as const);

/** A worker as its supervisor sees it. */
export class WorkerProcess {
  readonly tree: string;
  /** The name of its socket. */
  readonly socket: string;
  /** Settles when it takes work, or with the reason why it never will. */
  readonly ready: Promise<string | undefined>;
  /** Settles when it is done, whether or not it has ended yet. */
  readonly over: Promise<void>;
  readonly #process: ChildProcess;
  readonly #socketFile: string;

  constructor(place: AgentDirectory, tree: string, boot: string) {
    const id = `${process.pid.toString(36)}${Math.floor(performance.now() * 1000).toString(36)}`;
    this.tree = tree;
    this.socket = `${WORKER_SOCKET}${id}-${tree.slice(0, 16)}`;
    this.#socketFile = path.join(place.run, this.socket);
    rotate(place.log);
    const log = openSync(place.log, "a", 0o600);
    const begins = statSync(place.log).size;
    const main = programIn(place.tree(tree), "worker");
    this.#process = spawn(
      process.execPath,
      [...NODE_FLAGS, main, place.root, this.socket, place.boot(boot)],
      {
        stdio: ["ignore", log, log, "ipc", ...uninherited],
        cwd: place.run,
        env: loginEnvironment(),
        detached: true,
      },
    );
    closeSync(log);
    const states = this.#states();
    const exit = new Promise<string>((settled) => {
      this.#process.once("error", (error) => settled(error.message));
      this.#process.once("exit", (code, signal) => settled(signal ?? `exit code ${code}`));
    });
    this.ready = Promise.race([
      states.ready,
      exit.then((how) => `the worker ended at its start (${how})${lastWords(place.log, begins)}`),
    ]);
    this.over = Promise.race([states.over, exit.then(() => {})]);
    void exit.then(() => rmSync(this.#socketFile, { force: true }));
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** It ends, unless it has begun to work. */
  leave(): void {
    if (this.#process.connected) this.#process.send(LEAVE, () => {});
  }

  /** At once, and without a trace, as we may be about to end too. */
  end(): void {
    this.#process.kill();
    rmSync(this.#socketFile, { force: true });
  }

  #states(): { ready: Promise<undefined>; over: Promise<void> } {
    const is = (state: WorkerState) =>
      new Promise<undefined>((settled) => {
        this.#process.on("message", (message) => {
          if (message === state) settled(undefined);
        });
      });
    return { ready: is("ready"), over: is("over") };
  }
}

function rotate(log: string): void {
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG) renameSync(log, `${log}.old`);
}

/** What stands in `log` after its first `begins` bytes. */
function lastWords(log: string, begins: number): string {
  try {
    const file = openSync(log, "r");
    try {
      const length = Math.max(0, statSync(log).size - begins);
      const words = Buffer.alloc(Math.min(length, LAST_WORDS));
      readSync(file, words, 0, words.length, begins);
      const text = words.toString("utf8").trim();
      return text === "" ? "" : `:\n${text}`;
    } finally {
      closeSync(file);
    }
  } catch {
    return `; ${log} on the host says why`;
  }
}
