import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type WorkerAnswer, type WorkerRequest, workerAnswerShapes } from "../shared/messages";
import { programs } from "../shared/tree";
import { openWireOver } from "../shared/wire";
import type { AgentDirectory } from "./directory";
import { allProcesses, argumentsOf, processInfo } from "./processes";
import type { HeldWorker } from "./worker-process";

/** How often the process is looked at. */
const POLL_MS = 50;

/** A worker that an earlier supervisor has started: there is no IPC channel to it. */
export class ReclaimedWorker implements HeldWorker {
  readonly finished: Promise<boolean>;

  constructor(
    readonly pid: number,
    readonly socket: string,
  ) {
    this.finished = this.#end();
  }

  /**
   * The workers of `directory` that run now, also those that do not listen yet: an earlier supervisor may have been killed
   * at any moment.
   */
  static all(directory: AgentDirectory): ReclaimedWorker[] {
    return allProcesses().flatMap(({ pid, state }) => {
      if (state === "Z") return [];
      const words = argumentsOf(pid);
      const at = words.findIndex((word) => word.endsWith(`/${programs.worker}.js`));
      const [root, socket] = words.slice(at + 1);
      // Between fork and exec, a command shows the arguments of its worker.
      return at > 0 && root === directory.root && socket && processInfo(pid)?.group === pid
        ? [new ReclaimedWorker(pid, socket)]
        : [];
    });
  }

  cancel(): void {
    this.#send({ type: "signal", signal: "cancel" });
  }

  /** An idle worker exits on a ping. */
  exitIfIdle(): void {
    this.#send({ type: "ping" });
  }

  #send(request: WorkerRequest): void {
    const wire = openWireOver<WorkerAnswer, WorkerRequest>(connect(this.socket), {
      shapes: workerAnswerShapes,
      onMessage: () => {},
      onEnd: () => {},
    });
    wire.send(request);
    wire.end();
  }

  async #end(): Promise<boolean> {
    const startedAt = processInfo(this.pid)?.startedAt;
    for (;;) {
      const now = processInfo(this.pid);
      if (now?.startedAt !== startedAt || now?.state === "Z") return false;
      await sleep(POLL_MS);
    }
  }
}
