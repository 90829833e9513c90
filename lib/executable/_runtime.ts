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

/** Bytes of the binary's beginning and end that are hashed for its name. */
const SAMPLE = 1024 * 1024;

/**
 * The runtime shared by executables: one copy per Node version, in a directory that everyone who starts an executable can
 * read. Unlike the agent's own copy, it stays as long as an executable refers to it.
 */
export class SharedRuntime {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The path of this process's runtime in the directory, installed or not. */
  get file(): string {
    return path.join(this.directory, `node-${process.version.slice(1)}-${fingerprint()}`);
  }

  get isInstalled(): boolean {
    return statSync(this.file, { throwIfNoEntry: false })?.size === statSync(process.execPath).size;
  }

  /** Installs the runtime: a hard link to the agent's copy if that is on the same file system, else a copy. */
  install(): void {
    if (this.isInstalled) return;
    mkdirSync(this.directory, { recursive: true, mode: 0o755 });
    const temporary = `${this.file}.${randomBytes(6).toString("hex")}`;
    try {
      if (!belongsToAgent(process.execPath) || !tryLink(process.execPath, temporary))
        copyFileSync(process.execPath, temporary, constants.COPYFILE_FICLONE);
      chmodSync(temporary, 0o755);
      renameSync(temporary, this.file);
    } finally {
      rmSync(temporary, { force: true });
    }
    this.prune(this.file);
  }

  /** Records that `executable` uses a runtime of this directory. */
  remember(executable: string): void {
    mkdirSync(this.#records, { recursive: true, mode: 0o755 });
    writeFileSync(this.#recordOf(executable), executable);
  }

  /** The executables that use a runtime of this directory; some may be gone. */
  executables(): string[] {
    return (tryOrUndefined(() => readdirSync(this.#records)) ?? []).flatMap(
      (name) => tryOrUndefined(() => readFileSync(path.join(this.#records, name), "utf8")) ?? [],
    );
  }

  forget(executable: string): void {
    rmSync(this.#recordOf(executable), { force: true });
    this.prune();
  }

  /** The path of the start-up snapshot with this identity. */
  snapshot(identity: string): string {
    return path.join(this.#snapshots, identity.slice(0, 16));
  }

  /** The directory of the files that the executable with this identity reads. */
  filesOf(identity: string): string {
    return path.join(this.#files, identity.slice(0, 16));
  }

  get #files(): string {
    return path.join(this.directory, "files");
  }

  get #snapshots(): string {
    return path.join(this.directory, "snapshots");
  }

  /**
   * Removes runtimes, snapshots and files that no executable uses, except `keep`, and except the runtime of this process: when an
   * executable has started the agent, that starts its workers with it.
   */
  prune(keep?: string): void {
    const used = new Set([
      keep,
      process.execPath,
      ...this.executables().flatMap((executable) => tryOrUndefined(() => this.#usedBy(executable)) ?? []),
    ]);
    for (const name of tryOrUndefined(() => readdirSync(this.#files)) ?? []) {
      const directory = path.join(this.#files, name);
      if (!used.has(directory)) rmSync(directory, { recursive: true, force: true });
    }
    for (const name of tryOrUndefined(() => readdirSync(this.directory)) ?? []) {
      const file = path.join(this.directory, name);
      if (/^node-[0-9.]+-[0-9a-f]+$/.test(name) && !used.has(file)) rmSync(file, { force: true });
    }
    for (const name of tryOrUndefined(() => readdirSync(this.#snapshots)) ?? []) {
      const file = path.join(this.#snapshots, name);
      if (!used.has(file)) rmSync(file, { force: true });
    }
  }

  get #records(): string {
    return path.join(this.directory, "executables");
  }

  /** The files in the first line of `executable`, and the directory of those that it reads. */
  #usedBy(executable: string): string[] {
    const [first = "", second = ""] = readFileSync(executable, "latin1").split("\n", 2);
    const [, identity] = /^\/\/ consfigurator executable ([0-9a-f]+) /.exec(second) ?? [];
    return [
      ...(first.startsWith("#!") ? first.slice(2).split(/ |=/) : []),
      ...(identity === undefined ? [] : [this.filesOf(identity)]),
    ];
  }

  #recordOf(executable: string): string {
    return path.join(this.#records, createHash("sha256").update(executable).digest("hex").slice(0, 16));
  }
}

/** The agent renames its runtime into place and never modifies it, so it is safe to link. */
const belongsToAgent = (file: string): boolean => /\/consfigurator\/agent\/runtime\/[^/]+$/.test(file);

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}

let cached: string | undefined;
/** A sample only: reading the whole binary would take longer than everything else. */
function fingerprint(): string {
  cached ??= hashSamples(process.execPath);
  return cached;
}

function hashSamples(file: string): string {
  const { size } = statSync(file);
  const hash = createHash("sha256").update(`${process.version} ${size}`);
  const descriptor = openSync(file, "r");
  try {
    for (const at of [0, Math.max(0, size - SAMPLE)]) {
      const sample = Buffer.alloc(Math.min(size, SAMPLE));
      readSync(descriptor, sample, 0, sample.length, at);
      hash.update(sample);
    }
  } finally {
    closeSync(descriptor);
  }
  return hash.digest("hex").slice(0, 12);
}
