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
import type { TreeChange, TreeFile } from "../shared/messages";
import { TREE_RECORD, type TreeRecord } from "../shared/tree";
import type { AgentDirectory } from "./directory";

/** How many trees are kept: today's, and some to go back to. */
const KEPT_TREES = 6;
/** How long after its last change something unfinished counts as left behind. */
const LEFT_MS = 60 * 60 * 1000;
/** Sources are no secrets; the directory around them is closed. */
const READABLE = 0o644;

/**
 * The sources on a host: contents by their hash, and trees of hard links to them. Everything is made under another
 * name and renamed, so that what has its name is whole.
 */
export class Store {
  readonly #place: AgentDirectory;

  constructor(place: AgentDirectory) {
    this.#place = place;
  }

  trees(): string[] {
    return readdirSync(this.#place.trees).filter((name) => !name.includes("."));
  }

  has(tree: string): boolean {
    return existsSync(path.join(this.#place.tree(tree), TREE_RECORD));
  }

  /** Makes the tree that `change` describes. False when something it builds on is not here: it must be sent whole. */
  add(change: TreeChange): boolean {
    try {
      return this.#add(change);
    } catch (error) {
      if (!isFull(error)) throw error;
      throw new ConsfigError(`no space for the sources in ${this.#place.root}; free some and deploy again`);
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
      // Somebody else's pruning took a content away.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
    this.#prune(change.tree);
    return true;
  }

  /** Throws a tree away, and with it the contents that turn out to be broken. */
  discard(tree: string): void {
    const record = this.#record(tree);
    rmSync(this.#place.tree(tree), { recursive: true, force: true });
    for (const { hash } of record?.files ?? []) {
      const blob = this.#blob(hash);
      if (existsSync(blob) && sha256(readFileSync(blob)) !== hash) rmSync(blob);
    }
  }

  #keep(hash: string, content: Buffer): void {
    if (sha256(content) !== hash)
      throw new ConsfigError(`a source arrived broken: ${hash} has other content`);
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
    const gone = new Set([...change.removed, ...change.files.map((file) => file.path)]);
    return [...base.files.filter((file) => !gone.has(file.path)), ...change.files];
  }

  #build(record: TreeRecord): void {
    const { tree } = record;
    // Workers of other users read trees, where one is bound into their view; nobody else can reach them.
    const umask = process.umask(0o022);
    const final = this.#place.tree(tree);
    const building = `${final}.${process.pid}`;
    rmSync(building, { recursive: true, force: true });
    try {
      for (const { path: place, hash } of record.files) {
        const file = path.join(building, path.normalize(`/${place}`));
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
      return JSON.parse(readFileSync(path.join(this.#place.tree(tree), TREE_RECORD), "utf8"));
    } catch {
      return undefined;
    }
  }

  /** Old trees go, and contents that no tree links to any more. */
  #prune(current: string): void {
    const now = new Date();
    utimesSync(this.#place.tree(current), now, now);
    const byAge = this.trees()
      .map((tree) => ({ tree, at: statSync(this.#place.tree(tree)).mtimeMs }))
      .sort((a, b) => b.at - a.at);
    const old = byAge.slice(KEPT_TREES).filter(({ tree }) => !this.#place.isInUse(tree));
    for (const { tree } of old) {
      const files = this.#record(tree)?.files ?? [];
      rmSync(this.#place.tree(tree), { recursive: true, force: true });
      for (const { hash } of files) {
        if (statSync(this.#blob(hash), { throwIfNoEntry: false })?.nlink === 1)
          rmSync(this.#blob(hash), { force: true });
      }
    }
    this.#removeLeft(this.#place.trees, (name) => name.includes("."));
    this.#removeLeft(this.#place.blobs, (_name, links) => links === 1);
  }

  /** What is unfinished and nobody has touched for long: somebody else's upload may be under way. */
  #removeLeft(directory: string, unfinished: (name: string, links: number) => boolean): void {
    for (const name of readdirSync(directory)) {
      const entry = path.join(directory, name);
      const stat = statSync(entry, { throwIfNoEntry: false });
      if (stat && unfinished(name, stat.nlink) && Date.now() - stat.ctimeMs > LEFT_MS)
        rmSync(entry, { recursive: true, force: true });
    }
  }

  #blob(hash: string): string {
    return path.join(this.#place.blobs, path.basename(hash));
  }
}

const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

const isFull = (error: unknown): boolean =>
  ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");
