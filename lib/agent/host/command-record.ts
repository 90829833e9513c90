import { appendFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { tryOrUndefined } from "../../util/attempt";
import type { AgentDirectory } from "./directory";
import { processInfo } from "./processes";

/** The prefix of the files in `run` that name a worker's running commands; the rest is the name of its socket. */
const PREFIX = "commands-";

/**
 * The commands that a worker runs, in a file: when the worker is killed, they have no parent and are in sessions of their
 * own, so nothing else tells them from the daemons that earlier steps have started.
 */
export class CommandRecord {
  /** Exists from the first command until the worker and all its commands have ended. */
  readonly file: string;

  constructor(directory: AgentDirectory, socket: string) {
    this.file = path.join(directory.run, PREFIX + socket);
  }

  started(leader: number): void {
    this.#write(`+ ${leader} ${processInfo(leader)?.startedAt ?? ""}\n`);
  }

  ended(leader: number): void {
    this.#write(`- ${leader}\n`);
  }

  /** The leaders of the groups that have not ended; a leader's number that another process has by now is left out. */
  running(): number[] {
    const running = new Map<number, string>();
    for (const line of (tryOrUndefined(() => readFileSync(this.file, "utf8")) ?? "").split("\n")) {
      const [sign, leader, startedAt = ""] = line.split(" ");
      if (sign === "+") running.set(Number(leader), startedAt);
      else if (sign === "-") running.delete(Number(leader));
    }
    return [...running]
      .filter(([leader, startedAt]) => [undefined, startedAt].includes(processInfo(leader)?.startedAt))
      .map(([leader]) => leader);
  }

  remove(): void {
    rmSync(this.file, { force: true });
  }

  /** The sockets of the workers that left a record. */
  static sockets(directory: AgentDirectory): string[] {
    return readdirSync(directory.run)
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => name.slice(PREFIX.length));
  }

  #write(line: string): void {
    // The file system may be full or read-only.
    tryOrUndefined(() => appendFileSync(this.file, line, { mode: 0o600 }));
  }
}
