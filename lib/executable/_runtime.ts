import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { tryOrUndefined } from "../util/attempt";

/** How much of the binary's beginning and of its end goes into its name, in bytes. */
const SAMPLE = 1024 * 1024;

/**
 * The runtime that executables share: one copy for all of one Node, in a place of its own, where whoever starts an
 * executable may read it. The agent's own may go; this one stays for as long as an executable names it.
 */
export class SharedRuntime {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Where the runtime of this process is, or is going to be. */
  get file(): string {
    return path.join(this.directory, `node-${process.version.slice(1)}-${fingerprint()}`);
  }

  get isThere(): boolean {
    return statSync(this.file, { throwIfNoEntry: false })?.size === statSync(process.execPath).size;
  }

  /** Puts it there: linked, where it is the agent's own on the same file system, which costs nothing; else copied. */
  install(): void {
    if (this.isThere) return;
    mkdirSync(this.directory, { recursive: true, mode: 0o755 });
    const temporary = `${this.file}.${randomBytes(6).toString("hex")}`;
    try {
      if (!isAgents(process.execPath) || !linked(process.execPath, temporary))
        copyFileSync(process.execPath, temporary, constants.COPYFILE_FICLONE);
      chmodSync(temporary, 0o755);
      renameSync(temporary, this.file);
    } finally {
      rmSync(temporary, { force: true });
    }
    this.prune(this.file);
  }

  /** Remembers that `executable` may name a runtime here. */
  remember(executable: string): void {
    mkdirSync(this.#users, { recursive: true, mode: 0o755 });
    writeFileSync(this.#recordOf(executable), executable);
  }

  forget(executable: string): void {
    rmSync(this.#recordOf(executable), { force: true });
    this.prune();
  }

  /** Where a start-up snapshot is kept that goes with this runtime. */
  snapshot(identity: string): string {
    return path.join(this.#snapshots, identity.slice(0, 16));
  }

  get #snapshots(): string {
    return path.join(this.directory, "snapshots");
  }

  /** Runtimes and snapshots that no executable names any more go, but for `keep`. */
  prune(keep?: string): void {
    const users = (tryOrUndefined(() => readdirSync(this.#users)) ?? []).flatMap(
      (name) => tryOrUndefined(() => readFileSync(path.join(this.#users, name), "utf8")) ?? [],
    );
    const named = new Set([
      keep,
      ...users.flatMap((user) => tryOrUndefined(() => interpretersOf(user)) ?? []),
    ]);
    for (const name of tryOrUndefined(() => readdirSync(this.directory)) ?? []) {
      const file = path.join(this.directory, name);
      if (/^node-[0-9.]+-[0-9a-f]+$/.test(name) && !named.has(file)) rmSync(file, { force: true });
    }
    for (const name of tryOrUndefined(() => readdirSync(this.#snapshots)) ?? []) {
      const file = path.join(this.#snapshots, name);
      if (!named.has(file)) rmSync(file, { force: true });
    }
  }

  get #users(): string {
    return path.join(this.directory, "executables");
  }

  #recordOf(executable: string): string {
    return path.join(this.#users, createHash("sha256").update(executable).digest("hex").slice(0, 16));
  }
}

/** The files that the first line of `executable` names. */
function interpretersOf(executable: string): string[] {
  const [first = ""] = readFileSync(executable, "latin1").split("\n", 1);
  return first.startsWith("#!") ? first.slice(2).split(/ |=/) : [];
}

/** The agent puts Node there, whole or not at all, and never writes into it. */
const isAgents = (file: string): boolean => /\/consfigurator\/agent\/runtime\/[^/]+$/.test(file);

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}

let known: string | undefined;
/** Reading all of it would take longer than all else. */
function fingerprint(): string {
  known ??= sampled(process.execPath);
  return known;
}

function sampled(file: string): string {
  const { size } = statSync(file);
  const hash = createHash("sha256").update(`${process.version} ${size}`);
  const opened = openSync(file, "r");
  try {
    for (const at of [0, Math.max(0, size - SAMPLE)]) {
      const sample = Buffer.alloc(Math.min(size, SAMPLE));
      readSync(opened, sample, 0, sample.length, at);
      hash.update(sample);
    }
  } finally {
    closeSync(opened);
  }
  return hash.digest("hex").slice(0, 12);
}
