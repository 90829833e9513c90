import { mkdirSync, readdirSync, statSync } from "node:fs";
import type { Server } from "node:net";
import { homedir } from "node:os";
import path from "node:path";
import { ConsfigError } from "../../model/errors";

/** The supervisor's socket, and what those of workers begin with. */
export const SUPERVISOR_SOCKET = "supervisor";
export const WORKER_SOCKET = "worker-";

/** Where an agent keeps what is its own on the host: one directory of the user it runs as, closed to others. */
export class AgentDirectory {
  readonly root: string;

  constructor(
    root = path.join(
      process.env["XDG_CACHE_HOME"] || path.join(homedir(), ".cache"),
      "consfigurator",
      "agent",
    ),
  ) {
    this.root = root;
    for (const directory of [root, this.blobs, this.trees, this.run, this.journals]) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
    const { uid, mode } = statSync(root);
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
      throw new ConsfigError(
        `${root} must belong to user ${process.getuid?.()} with mode 0700, and is of user ${uid} with mode 0${(mode & 0o7777).toString(8)}`,
      );
    }
  }

  get blobs(): string {
    return path.join(this.root, "blobs");
  }

  /** The file that a relay or supervisor is started from. */
  boot(hash: string): string {
    return path.join(this.root, "boot", `${hash}.js`);
  }

  get trees(): string {
    return path.join(this.root, "trees");
  }

  get journals(): string {
    return path.join(this.root, "journal");
  }

  get run(): string {
    return path.join(this.root, "run");
  }

  /**
   * Enters the directory of the sockets. Those are named relative to it from then on: a path of a socket may have 107
   * bytes at most, and a home directory may be longer.
   */
  enterRun(): void {
    process.chdir(this.run);
  }

  get log(): string {
    return path.join(this.root, "log");
  }

  /** Names of the sockets of workers. */
  workerSockets(): string[] {
    return readdirSync(this.run).filter((name) => name.startsWith(WORKER_SOCKET));
  }

  /** Whether a worker, at work or spare, has loaded the tree `hash`. */
  isInUse(hash: string): boolean {
    return this.workerSockets().some((name) => name.endsWith(`-${hash.slice(0, 16)}`));
  }

  tree(hash: string): string {
    return path.join(this.trees, hash);
  }

  journal(deployment: string): string {
    return path.join(this.journals, `${deployment}.jsonl`);
  }
}

/** A server that only this user can reach, besides standing in a directory that is closed to others. */
export function listenPrivately(server: Server, socket: string): Promise<void> {
  return new Promise((listening, failed) => {
    server.once("error", failed);
    const umask = process.umask(0o177);
    server.listen(socket, () => listening());
    process.umask(umask);
  });
}
