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
    return text.replace(hostPosition, (_, hash: string, treePath: string, line: string, column: string) => {
      const file = this.#trees.get(hash)?.files.get(treePath);
      const map = file && this.#mapOf(file);
      const found = map && mapped(map, Number(line), Number(column));
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

/** Position in a compiled file of a tree on a host. */
const hostPosition = /(?:file:\/\/)?\/[^\n()]*?\/trees\/([0-9a-f]+)\/([^\n()]+?\.js):(\d+):(\d+)/g;

/** Shows the files of `root` in a stack relative to it. */
export function shorten(text: string, root: string): string {
  const prefix = path.join(root, path.sep);
  return text.replace(/(?:file:\/\/)?(\/[^\n():]+)(?=:\d+:\d+)/g, (all, file: string) =>
    prefix !== path.sep && file.startsWith(prefix) ? file.slice(prefix.length) : all,
  );
}
