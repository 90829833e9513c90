import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { ConsfigError } from "../../model/errors";
import { newestFirst } from "../../util/newest-first";
import type { TreeChange, TreeFile } from "../shared/messages";
import { TREE_RECORD, type TreeRecord } from "../shared/tree";
import type { AgentDirectory } from "./directory";

/** Number of trees kept: the current one, and some to return to. */
const MAX_TREES = 6;
/** Unfinished files are stale this long after their last change. */
const STALE_MS = 60 * 60 * 1000;
/** Sources are not secret, and their parent directory is private. */
const READABLE = 0o644;

/**
 * The sources on a host: file contents by hash, and trees of hard links to them. Everything is written under a temporary
 * name and then renamed, so that an entry with its final name is complete.
 */
export class Store {
  readonly #directory: AgentDirectory;

  constructor(directory: AgentDirectory) {
    this.#directory = directory;
  }

  trees(): string[] {
    return readdirSync(this.#directory.trees).filter((name) => !name.includes("."));
  }

  has(tree: string): boolean {
    return existsSync(path.join(this.#directory.tree(tree), TREE_RECORD));
  }

  /** Builds the tree of `change`. False when its base or a file content is missing: the tree must be sent in full. */
  add(change: TreeChange): boolean {
    try {
      return this.#add(change);
    } catch (error) {
      if (!isFull(error)) throw error;
      throw new ConsfigError(
        `not enough disk space for the sources in ${this.#directory.root}; free some space and deploy again`,
      );
    }
  }

  #add(change: TreeChange): boolean {
    for (const [hash, content] of Object.entries(change.blobs)) this.#keep(hash, content);
    if (this.has(change.tree)) return true;
    const files = this.#filesOf(change);
    if (!files?.every(({ hash }) => existsSync(this.#blob(hash)))) return false;
    try {
      this.#build({ tree: change.tree, files, entries: change.entries });
    } catch (error) {
      // A concurrent prune removed a file content.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
    this.#prune(change.tree);
    return true;
  }

  /** Removes a tree, and those of its file contents that are corrupt. */
  discard(tree: string): void {
    const record = this.#record(tree);
    rmSync(this.#directory.tree(tree), { recursive: true, force: true });
    for (const { hash } of record?.files ?? []) {
      const blob = this.#blob(hash);
      if (existsSync(blob) && sha256(readFileSync(blob)) !== hash) rmSync(blob);
    }
  }

  #keep(hash: string, content: Buffer): void {
    if (sha256(content) !== hash)
      throw new ConsfigError(`a source file was corrupted in transit: its content does not match ${hash}`);
    const blob = this.#blob(hash);
    const temporary = `${blob}.${process.pid}`;
    try {
      writeFileSync(temporary, content);
      chmodSync(temporary, READABLE);
      renameSync(temporary, blob);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  #filesOf(change: TreeChange): TreeFile[] | undefined {
    if (change.base === undefined) return [...change.files];
    const base = this.#record(change.base);
    if (!base) return undefined;
    const replaced = new Set([...change.removed, ...change.files.map((file) => file.path)]);
    return [...base.files.filter((file) => !replaced.has(file.path)), ...change.files];
  }

  #build(record: TreeRecord): void {
    const { tree } = record;
    // Workers of other users read a tree through a bind mount; the private parent directory keeps everyone else out.
    const umask = process.umask(0o022);
    const final = this.#directory.tree(tree);
    const building = `${final}.${process.pid}`;
    rmSync(building, { recursive: true, force: true });
    try {
      for (const { path: name, hash } of record.files) {
        const file = path.join(building, path.normalize(`/${name}`));
        mkdirSync(path.dirname(file), { recursive: true });
        linkSync(this.#blob(hash), file);
      }
      writeFileSync(path.join(building, TREE_RECORD), JSON.stringify(record));
      renameSync(building, final);
    } catch (error) {
      rmSync(building, { recursive: true, force: true });
      if (!this.has(tree)) throw error;
    } finally {
      process.umask(umask);
    }
  }

  #record(tree: string): TreeRecord | undefined {
    try {
      return JSON.parse(readFileSync(path.join(this.#directory.tree(tree), TREE_RECORD), "utf8"));
    } catch {
      return undefined;
    }
  }

  /** Removes old trees, and file contents without a tree. The current tree always stays, even if the clock was set back. */
  #prune(current: string): void {
    const now = new Date();
    utimesSync(this.#directory.tree(current), now, now);
    const others = this.trees().filter((tree) => tree !== current);
    const old = newestFirst(others.map((tree) => this.#directory.tree(tree)))
      .slice(MAX_TREES - 1)
      .map((directory) => path.basename(directory))
      .filter((tree) => !this.#directory.isInUse(tree));
    for (const tree of old) {
      const files = this.#record(tree)?.files ?? [];
      rmSync(this.#directory.tree(tree), { recursive: true, force: true });
      for (const { hash } of files) {
        if (statSync(this.#blob(hash), { throwIfNoEntry: false })?.nlink === 1)
          rmSync(this.#blob(hash), { force: true });
      }
    }
    this.#removeStale(this.#directory.trees, (name) => name.includes("."));
    this.#removeStale(this.#directory.blobs, (_name, links) => links === 1);
  }

  /** Removes unfinished entries, except recent ones: another relay may be writing them. */
  #removeStale(directory: string, unfinished: (name: string, links: number) => boolean): void {
    for (const name of readdirSync(directory)) {
      const entry = path.join(directory, name);
      const stat = statSync(entry, { throwIfNoEntry: false });
      if (stat && unfinished(name, stat.nlink) && Math.abs(Date.now() - stat.ctimeMs) > STALE_MS)
        rmSync(entry, { recursive: true, force: true });
    }
  }

  #blob(hash: string): string {
    return path.join(this.#directory.blobs, path.basename(hash));
  }
}

const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

const isFull = (error: unknown): boolean =>
  ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");
