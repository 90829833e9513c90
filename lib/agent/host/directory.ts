import { mkdirSync, readdirSync, statSync } from "node:fs";
import type { Server } from "node:net";
import { homedir } from "node:os";
import path from "node:path";
import { ConsfigError } from "../../model/errors";

/** The name of the supervisor's socket, and the prefix of the workers' sockets. */
export const SUPERVISOR_SOCKET = "supervisor";
export const WORKER_SOCKET = "worker-";

/** The directory with the agent's files on the host, private to the user it runs as. */
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
        `${root} must belong to user ${process.getuid?.()} and have mode 0700; it belongs to user ${uid} and has mode 0${(mode & 0o7777).toString(8)}`,
      );
    }
  }

  get blobs(): string {
    return path.join(this.root, "blobs");
  }

  /** The boot file of relays and supervisors. */
  boot(hash: string): string {
    return path.join(this.root, "boot", `${hash}.js`);
  }

  get trees(): string {
    return path.join(this.root, "trees");
  }

  get journals(): string {
    return path.join(this.root, "journal");
  }

  /** What tells the holder of the lock of a shell that a worker applies the rest of `deployment`: a link to its process. */
  holdsFor(deployment: string): string {
    return path.join(this.run, `holds-${deployment}`);
  }

  get run(): string {
    return path.join(this.root, "run");
  }

  /**
   * Changes to the directory of the sockets, so that they can be named by relative paths: a socket path is limited to 107
   * bytes, and the path of a home directory may be longer.
   */
  enterRun(): void {
    process.chdir(this.run);
  }

  get log(): string {
    return path.join(this.root, "log");
  }

  /** The names of the workers' sockets. */
  workerSockets(): string[] {
    return readdirSync(this.run).filter((name) => name.startsWith(WORKER_SOCKET));
  }

  /** True when a worker, running or spare, has loaded the tree `hash`. */
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

/** Listens on a socket with mode 0600; its directory is also private to the user. */
export function listenPrivately(server: Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const umask = process.umask(0o177);
    server.listen(socket, () => resolve());
    process.umask(umask);
  });
}
