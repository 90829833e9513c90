import type { SourceMap } from "node:module";
import path from "node:path";
import type { Manifest } from "../model/agent-artifacts";
import { ConsfigError } from "../model/errors";
import type { ModuleGraph } from "./_graph";
import { type Tree, treeFor, type Wanted } from "./_manifest";
import type { LoadedModule } from "./_module";
import { mapOf, mapped } from "./_positions";
import type { TreeFile } from "./_travelling";
import { type Version, versionNow } from "./sources";
import type { MoreDirectories } from "./watch";

/** So many trees are remembered, for hosts that still run what was sent a while ago. */
const REMEMBERED = 32;

/** What was answered, and the versions of files in it that no refresh looks at. */
interface TreeAnswer {
  readonly manifest: Manifest;
  readonly unloaded: ReadonlyMap<string, Version>;
}

const isCurrent = ({ unloaded }: TreeAnswer): boolean =>
  [...unloaded].every(([file, version]) => versionNow(file, version)?.hash === version.hash);

const directoriesOf = (files: readonly string[]): string[] => [
  ...new Set(files.map((file) => path.dirname(file))),
];

/** The trees that were made for hosts in this session. */
export class Trees implements MoreDirectories {
  readonly #graph: ModuleGraph;
  readonly #followers = new Set<(directories: readonly string[]) => void>();
  readonly #trees = new Map<string, Tree>();
  readonly #blobs = new Map<string, Buffer>();
  readonly #maps = new WeakMap<TreeFile, SourceMap>();
  #answers = new Map<string, TreeAnswer>();
  #answersFor: ReadonlyMap<string, LoadedModule> | undefined;

  constructor(graph: ModuleGraph) {
    this.#graph = graph;
  }

  /** The manifest for what is `wanted`; looked up when nothing has changed since it was asked for last. */
  manifest(wanted: Wanted): Manifest {
    if (this.#answersFor !== this.#graph.modules) {
      this.#answers = new Map();
      this.#answersFor = this.#graph.modules;
    }
    const key = JSON.stringify(wanted);
    const known = this.#answers.get(key);
    if (known && isCurrent(known)) return known.manifest;
    const tree = treeFor(wanted, this.#graph);
    const manifest = this.#remember(tree);
    this.#answers.set(key, { manifest, unloaded: tree.unloaded });
    for (const add of this.#followers) add(directoriesOf([...tree.unloaded.keys()]));
    return manifest;
  }

  /** The directories of the modules that were asked for and that nothing on this side has loaded. */
  follow(add: (directories: readonly string[]) => void): () => void {
    this.#followers.add(add);
    const files = [...this.#answers.values()].flatMap(({ unloaded }) => [...unloaded.keys()]);
    add(directoriesOf(files));
    return () => this.#followers.delete(add);
  }

  #remember(tree: Tree): Manifest {
    const { hash } = tree.manifest;
    this.#trees.delete(hash);
    this.#trees.set(hash, tree);
    for (const file of tree.files.values()) this.#blobs.set(file.hash, file.content);
    if (this.#trees.size > REMEMBERED) this.#forgetOldest();
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
    if (!content)
      throw new ConsfigError(`no source with the hash ${hash} was made in this session; deploy again`);
    return content;
  }

  mapPositions(text: string): string {
    return text.replace(farPosition, (_, hash: string, place: string, line: string, column: string) => {
      const file = this.#trees.get(hash)?.files.get(place);
      const map = file && this.#mapOf(file);
      const found = map && mapped(map, Number(line), Number(column));
      if (!file?.source || !found) return `${place}:${line}:${column}`;
      return `${this.#graph.show(file.source)}:${found.line}:${found.column}`;
    });
  }

  #mapOf(file: TreeFile): SourceMap | undefined {
    const known = this.#maps.get(file) ?? (file.compiled === undefined ? undefined : mapOf(file.compiled));
    if (known) this.#maps.set(file, known);
    return known;
  }
}

/** A compiled file in a tree on a host, with line and column. */
const farPosition = /(?:file:\/\/)?\/[^\n()]*?\/trees\/([0-9a-f]+)\/([^\n()]+?\.js):(\d+):(\d+)/g;

/** Files of `root` in a stack are named as people know them. */
export function shorten(text: string, root: string): string {
  const prefix = path.join(root, path.sep);
  return text.replace(/(?:file:\/\/)?(\/[^\n():]+)(?=:\d+:\d+)/g, (all, file: string) =>
    prefix !== path.sep && file.startsWith(prefix) ? file.slice(prefix.length) : all,
  );
}
