import type { SourceMap } from "node:module";
import path from "node:path";
import type { Sources } from "../model/agent-artifacts";
import { ConsfigError } from "../model/errors";
import { mapped, sourceMapIn } from "../util/source-maps.js";
import type { ModuleGraph } from "./_graph";
import { type Tree, type TreeRequest, treeFor } from "./_manifest";
import type { LoadedModule } from "./_module";
import type { TreeFile } from "./_wire-form";
import { versionNow } from "./sources";
import type { MoreDirectories } from "./watch";

/** Number of trees of earlier versions of the consfig that are kept, for hosts that still run one. */
const KEPT_TREES = 16;

/** Whether those files of the tree are as they were that a refresh does not check. */
const isCurrent = ({ unloaded }: Tree): boolean =>
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
  /** The trees of the present version, by request. */
  #cached = new Map<string, Tree>();
  #cachedFor: ReadonlyMap<string, LoadedModule> | undefined;

  constructor(graph: ModuleGraph) {
    this.#graph = graph;
  }

  /** The tree for `request`, cached until something changes. Its files stay available as long as the result is used. */
  sources(request: TreeRequest): Sources {
    const { manifest, files } = this.#current(request);
    let contents: Map<string, Buffer> | undefined;
    return {
      manifest,
      blob: (hash) => {
        contents ??= new Map([...files.values()].map((file) => [file.hash, file.content]));
        return contents.get(hash) ?? this.blob(hash);
      },
    };
  }

  #current(request: TreeRequest): Tree {
    if (this.#cachedFor !== this.#graph.modules) {
      this.#cached = new Map();
      this.#cachedFor = this.#graph.modules;
    }
    const key = JSON.stringify(request);
    const known = this.#cached.get(key);
    if (known && isCurrent(known)) return known;
    const tree = this.#withSharedFiles(treeFor(request, this.#graph));
    this.#cached.set(key, tree);
    this.#remember(tree);
    for (const add of this.#followers) add(directoriesOf([...tree.unloaded.keys()]));
    return tree;
  }

  /** Reports the directories of requested modules that are not loaded on the controller. */
  follow(add: (directories: readonly string[]) => void): () => void {
    this.#followers.add(add);
    const files = [...this.#cached.values()].flatMap(({ unloaded }) => [...unloaded.keys()]);
    add(directoriesOf(files));
    return () => this.#followers.delete(add);
  }

  /** `tree` with the contents that other trees have too, so that each is in memory once. */
  #withSharedFiles(tree: Tree): Tree {
    const shared = (file: TreeFile): TreeFile => {
      const content = this.#blobs.get(file.hash);
      if (!content) this.#blobs.set(file.hash, file.content);
      return content && content !== file.content ? { ...file, content } : file;
    };
    return { ...tree, files: new Map([...tree.files].map(([treePath, file]) => [treePath, shared(file)])) };
  }

  #remember(tree: Tree): void {
    const { hash } = tree.manifest;
    this.#trees.delete(hash);
    this.#trees.set(hash, tree);
    const current = new Set([...this.#cached.values()].map(({ manifest }) => manifest.hash));
    const earlier = [...this.#trees.keys()].filter((each) => !current.has(each));
    if (earlier.length > KEPT_TREES) this.#forget(earlier.slice(0, earlier.length - KEPT_TREES));
  }

  #forget(oldest: readonly string[]): void {
    for (const hash of oldest) this.#trees.delete(hash);
    const used = new Set(
      [...this.#trees.values()].flatMap(({ manifest }) => manifest.files.map((file) => file.hash)),
    );
    for (const hash of this.#blobs.keys()) if (!used.has(hash)) this.#blobs.delete(hash);
  }

  /** The content of one file of the trees that are kept, by its hash. */
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
    const known =
      this.#maps.get(file) ?? (file.compiled === undefined ? undefined : sourceMapIn(file.compiled));
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
