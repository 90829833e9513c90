import type { SourceMap } from "node:module";
import path from "node:path";
import type { Manifest } from "../model/agent-artifacts";
import { ConsfigError } from "../model/errors";
import type { ModuleGraph } from "./_graph";
import { type Tree, type TreeRequest, treeFor } from "./_manifest";
import type { LoadedModule } from "./_module";
import { mapOf, mapped } from "./_positions";
import type { TreeFile } from "./_wire-form";
import { type Version, versionNow } from "./sources";
import type { MoreDirectories } from "./watch";

/** Number of trees kept, for hosts that still run an older one. */
const KEPT_TREES = 32;

/** A manifest, and the versions of those files in it that a refresh does not check. */
interface CachedManifest {
  readonly manifest: Manifest;
  readonly unloaded: ReadonlyMap<string, Version>;
}

const isCurrent = ({ unloaded }: CachedManifest): boolean =>
  [...unloaded].every(([file, version]) => versionNow(file, version)?.hash === version.hash);

const directoriesOf = (files: readonly string[]): string[] => [
  ...new Set(files.map((file) => path.dirname(file))),
];

/** The trees built for hosts in this session. */
export class Trees implements MoreDirectories {
  readonly #graph: ModuleGraph;
  readonly #followers = new Set<(directories: readonly string[]) => void>();
  readonly #trees = new Map<string, Tree>();
  readonly #blobs = new Map<string, Buffer>();
  readonly #maps = new WeakMap<TreeFile, SourceMap>();
  #cached = new Map<string, CachedManifest>();
  #cachedFor: ReadonlyMap<string, LoadedModule> | undefined;

  constructor(graph: ModuleGraph) {
    this.#graph = graph;
  }

  /** The manifest for `request`, cached until something changes. */
  manifest(request: TreeRequest): Manifest {
    if (this.#cachedFor !== this.#graph.modules) {
      this.#cached = new Map();
      this.#cachedFor = this.#graph.modules;
    }
    const key = JSON.stringify(request);
    const known = this.#cached.get(key);
    if (known && isCurrent(known)) return known.manifest;
    const tree = treeFor(request, this.#graph);
    const manifest = this.#remember(tree);
    this.#cached.set(key, { manifest, unloaded: tree.unloaded });
    for (const add of this.#followers) add(directoriesOf([...tree.unloaded.keys()]));
    return manifest;
  }

  /** Reports the directories of requested modules that are not loaded on the controller. */
  follow(add: (directories: readonly string[]) => void): () => void {
    this.#followers.add(add);
    const files = [...this.#cached.values()].flatMap(({ unloaded }) => [...unloaded.keys()]);
    add(directoriesOf(files));
    return () => this.#followers.delete(add);
  }

  #remember(tree: Tree): Manifest {
    const { hash } = tree.manifest;
    this.#trees.delete(hash);
    this.#trees.set(hash, tree);
    for (const file of tree.files.values()) this.#blobs.set(file.hash, file.content);
    if (this.#trees.size > KEPT_TREES) this.#forgetOldest();
    return tree.manifest;
  }

  #forgetOldest(): void {
    for (const oldest of this.#trees.keys()) {
      this.#trees.delete(oldest);
      break;
    }
    const used = new Set(
      [...this.#trees.values()].flatMap(({ manifest }) => manifest.files.map(({ hash }) => hash)),
    );
    for (const hash of this.#blobs.keys()) if (!used.has(hash)) this.#blobs.delete(hash);
  }

  blob(hash: string): Buffer {
    const content = this.#blobs.get(hash);
    if (!content) throw new ConsfigError(`no source with the hash ${hash} in this session; deploy again`);
    return content;
  }

  mapPositions(text: string): string {
    return replaceHostPositions(text, (hash, treePath, line, column) => {
      const file = this.#trees.get(hash)?.files.get(treePath);
      const map = file && this.#mapOf(file);
      const found = map && mapped(map, line, column);
      if (!file?.source || !found) return `${treePath}:${line}:${column}`;
      return `${this.#graph.show(file.source)}:${found.line}:${found.column}`;
    });
  }

  #mapOf(file: TreeFile): SourceMap | undefined {
    const known = this.#maps.get(file) ?? (file.compiled === undefined ? undefined : mapOf(file.compiled));
    if (known) this.#maps.set(file, known);
    return known;
  }
}

/** Longer paths are not looked for: the text may be anything that a host prints. */
const MAX_PATH = 1000;
const TREES = "/trees/";
/** Sticky: what follows TREES in a position. The length of each part is bounded, so that the time is linear. */
const IN_TREE = new RegExp(`([0-9a-f]{1,128})/([^\\n():]{1,${MAX_PATH}}\\.js):(\\d{1,9}):(\\d{1,9})`, "y");

/**
 * Replaces the positions in compiled files of trees on a host: `[file://]…/trees/HASH/PATH.js:LINE:COLUMN`. The path
 * before it begins after a parenthesis or a blank.
 */
function replaceHostPositions(
  text: string,
  replacement: (hash: string, treePath: string, line: number, column: number) => string,
): string {
  const parts: string[] = [];
  let done = 0;
  for (let at = text.indexOf(TREES); at >= 0; at = text.indexOf(TREES, at + 1)) {
    if (at < done) continue;
    IN_TREE.lastIndex = at + TREES.length;
    const [, hash, treePath, line, column] = IN_TREE.exec(text) ?? [];
    if (hash === undefined || treePath === undefined) continue;
    const end = IN_TREE.lastIndex;
    parts.push(
      text.slice(done, startOfPath(text, at, done)),
      replacement(hash, treePath, Number(line), Number(column)),
    );
    done = end;
  }
  return parts.length === 0 ? text : parts.join("") + text.slice(done);
}

/** Where the path that contains `at` begins, not before `earliest`. In parentheses, it may contain blanks. */
function startOfPath(text: string, at: number, earliest: number): number {
  const before = text.slice(Math.max(earliest, at - MAX_PATH), at);
  const open = Math.max(before.lastIndexOf("("), before.lastIndexOf(")"), before.lastIndexOf("\n"));
  const blank = before.lastIndexOf(" ");
  const first =
    before[open] === "(" && /^(file:\/)?\//.test(before.slice(open + 1, open + 10))
      ? open
      : Math.max(open, blank);
  return at - before.length + first + 1;
}

/** Shows the files of `root` in a stack relative to it. */
export function shorten(text: string, root: string): string {
  const prefix = path.join(root, path.sep);
  if (prefix === path.sep) return text;
  const parts: string[] = [];
  let done = 0;
  for (let at = text.indexOf(prefix); at >= 0; at = text.indexOf(prefix, at + prefix.length)) {
    BEFORE_LINE.lastIndex = at + prefix.length;
    if (!BEFORE_LINE.test(text) || isInsidePath(text, at)) continue;
    const start = text.endsWith(FILE_URL, at) ? at - FILE_URL.length : at;
    parts.push(text.slice(done, start));
    done = at + prefix.length;
  }
  return parts.length === 0 ? text : parts.join("") + text.slice(done);
}

const FILE_URL = "file://";
/** Sticky: the rest of a path, and its line and column. */
const BEFORE_LINE = new RegExp(`[^\\n():]{1,${MAX_PATH}}:\\d{1,9}:\\d`, "y");

/** Whether a longer path contains the one at `at`. */
const isInsidePath = (text: string, at: number): boolean =>
  !text.endsWith(FILE_URL, at) && at > 0 && /[^\s()"'`:,=[]/.test(text[at - 1] ?? "");
