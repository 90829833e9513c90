import { realpathSync } from "node:fs";
import path from "node:path";
import type { Manifest, Sources } from "../model/agent-artifacts";
import { setSiteRoot } from "../model/site";
import { ModuleGraph } from "./_graph";
import { EngineFiles } from "./_restart";
import { type Scope, scopeOf } from "./_scope";
import { shorten, Trees } from "./_trees";
import type { ConsfigLoadError } from "./loadError";
import { ownFile } from "./register";
import { builtinProperties, candidates } from "./resolve";
import { isDirectory, isFile, sourceDirectories } from "./sources";
import { type Watch, watchSources } from "./watch";

export type { Manifest, ManifestFile } from "../model/agent-artifacts";
export { ConsfigLoadError } from "./loadError";

/** The result of a refresh. Files are relative to the root; those of this package begin with `consfigurator/`. */
export interface Refresh {
  /** Evaluated files, dependencies first. */
  readonly loaded: readonly string[];
  /** Files that no longer exist or are no longer imported. */
  readonly removed: readonly string[];
  /** Messages for the user, each reported once: clashing names, changes that need a restart. */
  readonly notices: readonly string[];
  /** Why nothing was loaded. Repeated by every refresh until a relevant file changes. */
  readonly error?: ConsfigLoadError;
}

/** A directory with a user's hosts and properties, reloaded as files change. */
export class Consfig {
  /** Absolute. */
  readonly root: string;
  readonly #opened = performance.timeOrigin + performance.now();
  readonly #graph: ModuleGraph;
  readonly #trees: Trees;
  readonly #engineFiles = new EngineFiles();
  #scope: Scope = { names: {}, notices: [] };
  #reported: ReadonlySet<string> = new Set();

  constructor(root: string, builtins: string) {
    this.root = realpathSync(root);
    this.#graph = new ModuleGraph(this.root, builtins);
    this.#trees = new Trees(this.#graph);
    setSiteRoot(this.root);
  }

  /**
   * The names in scope at the prompt: each export of a file in hosts/ by its name, each properties file, built-in ones
   * included, by its noun. Read it again after a refresh.
   */
  scope(): Readonly<Record<string, unknown>> {
    return this.#scope.names;
  }

  /**
   * Loads files that changed since the last refresh, and their dependents. When nothing changed it only reads file
   * metadata. A failed evaluation leaves everything as it was.
   */
  refresh(): Refresh {
    loadEngine();
    this.#engineFiles.start();
    const { loaded, removed, error } = this.#graph.refresh();
    if (loaded.length > 0 || removed.length > 0) this.#scope = scopeOf(this.#graph);
    const notices = [...this.#newNotices(), ...this.#engineFiles.notices()];
    const { show } = this.#graph;
    return { loaded: loaded.map(show), removed: removed.map(show), notices, ...(error && { error }) };
  }

  /**
   * Imports `specifier` as `file` would, for the prompt and playbooks; `file` is absolute and need not exist. A source
   * file is then reloaded with the consfig, as if a file in hosts/ imported it. Throws when it cannot be loaded.
   */
  import(specifier: string, file: string): unknown {
    return this.#graph.import(specifier, file);
  }

  /**
   * The files that an agent needs to apply `properties` (names) as of the last refresh, with `modules` (paths relative to
   * the consfig, beginning with `/`) as they are now. Throws `InapplicableProperty` for undefined names, definitions made
   * at the prompt, modules that are missing or do not compile, and npm packages that are not pure JavaScript.
   */
  sources(
    properties: Iterable<string>,
    hops: Iterable<string> = [],
    modules: Iterable<string> = [],
  ): Sources {
    return this.#trees.sources({
      properties: [...new Set(properties)].sort(),
      hops: [...new Set(hops)].sort(),
      modules: [...new Set(modules)].sort(),
    });
  }

  /** The manifest of `sources`. */
  manifest(...needed: Parameters<Consfig["sources"]>): Manifest {
    return this.sources(...needed).manifest;
  }

  /** The files of `modules` (as for `sources`), absolute; those that are missing are left out. */
  moduleFiles(modules: readonly string[]): string[] {
    return modules.flatMap((name) => candidates(path.join(this.root, name)).find(isFile) ?? []);
  }

  /** Which file of the consfig exports `value`, as for `sources`, and under which name; undefined where none does. */
  exportOf(value: unknown): { readonly module: string; readonly call: string } | undefined {
    for (const [file, { module }] of this.#graph.modules) {
      if (!file.startsWith(this.root + path.sep)) continue;
      const exported = module.exports as Readonly<Record<string, unknown>> | null;
      const call = Object.keys(exported ?? {}).find((name) => exported?.[name] === value);
      if (call !== undefined) return { module: file.slice(this.root.length), call };
    }
    return undefined;
  }

  /** The file of the consfig whose exports are `exports`, as for `sources`; undefined where it is none. */
  moduleOf(exports: unknown): string | undefined {
    for (const [file, { module }] of this.#graph.modules)
      if (module.exports === exports && file.startsWith(this.root + path.sep))
        return file.slice(this.root.length);
    return undefined;
  }

  /** The content of one file of a recent manifest, by its hash. */
  blob(hash: string): Buffer {
    return this.#trees.blob(hash);
  }

  /** Maps positions in compiled files, local or on a host, in the stack or message `text` to source lines. */
  mapPositions(text: string): string {
    return shorten(this.#trees.mapPositions(text), this.root);
  }

  /**
   * True when `file` (absolute) is loaded, or is a regular source file in hosts/ or properties/, which may have failed to
   * load. Ask before a file is read because a host named it.
   */
  isSource(file: string): boolean {
    if (this.#graph.modules.has(file)) return true;
    if (!/\.(tsx?|js)$/.test(file) || !isFile(file)) return false;
    const directories = sourceDirectories.map((each) => path.join(this.root, each, path.sep));
    return directories.some((each) => realpathSync(file).startsWith(each));
  }

  /**
   * Calls `onSave` with the absolute paths of files saved, created or removed; several at once are one call. What was saved
   * after this consfig was opened, and before this call, is reported, too.
   */
  watch(onSave: (files: string[]) => void): Watch {
    return watchSources(this.#graph, this.#trees, onSave, { since: this.#opened });
  }

  /** Drops all definitions of the consfig, so that another can be opened in this process. */
  close(): void {
    this.#graph.clear();
    this.#scope = { names: {}, notices: [] };
  }

  /** Notices that are new since the last refresh. */
  #newNotices(): string[] {
    const empty = sourceDirectories.some((directory) => isDirectory(path.join(this.root, directory)))
      ? []
      : [`${this.root} has neither hosts/ nor properties/; run \`consfig init\` to create a working consfig`];
    const notices = [...empty, ...this.#scope.notices];
    const unreported = notices.filter((notice) => !this.#reported.has(notice));
    this.#reported = new Set(notices);
    return unreported;
  }
}

/**
 * Opens the consfig in the directory `root`; throws when it does not exist. Nothing is loaded until `refresh`.
 * `builtins` is the directory of the properties that every consfig has.
 */
export const openConsfig = (root: string, builtins = builtinProperties): Consfig =>
  new Consfig(root, builtins);

/** Before any evaluation, so that definitions of the engine are not attributed to a file of the consfig. */
function loadEngine(): void {
  const index = ownFile("consfigurator");
  if (index) require(index);
}
