import { CANCELLED, type JobOutcome } from "../../model/job";
import type { Holder } from "../shared/messages";
import { CommandRecord } from "./command-record";
import type { AgentDirectory } from "./directory";
import { Journal, readJournal } from "./journal";
import { endProcesses, processInfo } from "./processes";
import type { HeldWorker } from "./worker-process";

/** Time that a worker has to cancel its step before it is killed: a cancelled command has 1.5 s of it. */
const CANCEL_GRACE_MS = 2500;

/**
 * The time in which one deployment holds the host. It is over when the worker has finished, and nothing that the worker
 * started for its step is left.
 */
export class Tenure {
  /** Settles when the host is free, with what was ended by force; undefined when the worker finished by itself. */
  readonly over: Promise<string | undefined>;
  readonly #directory: AgentDirectory;
  readonly #worker: HeldWorker;
  readonly #record: CommandRecord;
  #cancelled = false;
  #killing: Promise<void> | undefined;
  readonly #ended = new Set<string>();
  #left: readonly string[] = [];
  readonly #startedAt: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    directory: AgentDirectory,
    readonly holder: Holder,
    worker: HeldWorker,
  ) {
    this.#directory = directory;
    this.#worker = worker;
    this.#record = new CommandRecord(directory, worker.socket);
    this.#startedAt = processInfo(worker.pid)?.startedAt;
    this.over = worker.finished.then((reported) => this.#end(reported));
  }

  exitIfIdle(): void {
    this.#worker.exitIfIdle();
  }

  /** Asks the worker to cancel its job; kills it, and all that it has started, when it does not. */
  cancel(): void {
    this.#cancelled = true;
    this.#worker.cancel();
    this.#timer ??= setTimeout(() => void this.#kill(), CANCEL_GRACE_MS);
  }

  /** What could not be ended, in words; "" when there is nothing. */
  get stuck(): string {
    return this.#left.length > 0 ? `; ${this.#left.join(", ")} cannot be killed` : "";
  }

  async #kill(): Promise<void> {
    this.#killing ??= this.#killAll().finally(() => {
      // Another request tries again.
      this.#killing = undefined;
      this.#timer = undefined;
    });
    await this.#killing;
  }

  async #killAll(): Promise<void> {
    const { pid } = this.#worker;
    const now = processInfo(pid)?.startedAt;
    // Unless the number belongs to another process by now.
    const own = now === undefined || now === this.#startedAt ? [pid] : [];
    const { ended, left } = await endProcesses([...own, ...this.#record.running()]);
    for (const each of ended) if (!each.endsWith(` (pid ${pid})`)) this.#ended.add(each);
    this.#left = left;
  }

  async #end(reported: boolean): Promise<string | undefined> {
    clearTimeout(this.#timer);
    const lines = reported ? undefined : readJournal(this.#directory, this.holder.deployment);
    if (!reported) await this.#kill();
    this.#record.remove();
    // Without a journal the job never started.
    if (!lines || lines.some((line) => "outcome" in line)) return undefined;
    const what = inWords([...this.#ended], this.#left);
    Journal.end(
      this.#directory,
      this.holder.deployment,
      this.#cancelled ? { outcome: cancelledByForce(what) } : { lost: `its worker was killed${what}` },
    );
    return `its worker was killed${what}`;
  }
}

const cancelledByForce = (what: string): JobOutcome => ({
  change: "changed",
  failed: true,
  cancelled: true,
  failure: {
    name: "Cancelled",
    message: `${CANCELLED}; its worker did not stop within ${CANCEL_GRACE_MS / 1000} s and was killed in the middle of a step${what}; deploy again to finish that step`,
  },
});

const inWords = (ended: readonly string[], left: readonly string[]): string =>
  (ended.length > 0 ? `; the commands that it had started were ended: ${ended.join(", ")}` : "") +
  (left.length > 0 ? `; these could not be ended: ${left.join(", ")}` : "");

/** Ends the commands of workers that are gone, of which no supervisor knows. */
export async function endAbandoned(directory: AgentDirectory, sockets: readonly string[]): Promise<void> {
  for (const socket of CommandRecord.sockets(directory).filter((each) => !sockets.includes(each))) {
    const record = new CommandRecord(directory, socket);
    await endProcesses(record.running());
    record.remove();
  }
}
