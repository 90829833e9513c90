import { realpathSync } from "node:fs";
import path from "node:path";
import type { Manifest } from "../model/agent-artifacts";
import { setSiteRoot } from "../model/site";
import { ModuleGraph } from "./_graph";
import { LoadedOnce } from "./_restart";
import { type Scope, scopeOf } from "./_scope";
import { shorten, Trees } from "./_trees";
import type { ConsfigLoadError } from "./loadError";
import { ownFile } from "./register";
import { builtinProperties } from "./resolve";
import { isDirectory, sourceDirectories } from "./sources";
import { type Watch, watchSources } from "./watch";

export type { Manifest, ManifestFile } from "../model/agent-artifacts";
export { ConsfigLoadError } from "./loadError";

/** What a refresh did. Files are relative to the root; those that come with this package begin with `consfigurator/`. */
export interface Refresh {
  /** Evaluated, dependencies first. */
  readonly loaded: readonly string[];
  /** No longer there, or no longer imported. */
  readonly removed: readonly string[];
  /** Worth a line on the screen, each said once: names that clash, changes that need a restart. */
  readonly notices: readonly string[];
  /** Why nothing was loaded. It stands in every refresh until something is changed that may mend it. */
  readonly error?: ConsfigLoadError;
}

/** A directory with the hosts and properties of a user, live. */
export class Consfig {
  /** Absolute. */
  readonly root: string;
  readonly #graph: ModuleGraph;
  readonly #trees: Trees;
  readonly #loadedOnce = new LoadedOnce();
  #scope: Scope = { names: {}, notices: [] };
  #said: ReadonlySet<string> = new Set();

  constructor(root: string, builtins: string) {
    this.root = realpathSync(root);
    this.#graph = new ModuleGraph(this.root, builtins);
    this.#trees = new Trees(this.#graph);
    setSiteRoot(this.root);
  }

  /**
   * What stands in scope at the prompt: each export of the files of hosts/ by its name, each file of properties/, the
   * built-in ones included, by its noun. Read it again after a refresh.
   */
  scope(): Readonly<Record<string, unknown>> {
    return this.#scope.names;
  }

  /**
   * Loads what changed since the last time, and what depends on it. Where nothing changed it only looks at directory
   * entries. After an evaluation that fails everything is as it was before.
   */
  refresh(): Refresh {
    loadEngine();
    this.#loadedOnce.begin();
    const { loaded, removed, error } = this.#graph.refresh();
    if (loaded.length > 0 || removed.length > 0) this.#scope = scopeOf(this.#graph);
    const notices = [...this.#news(), ...this.#loadedOnce.notices()];
    const { show } = this.#graph;
    return { loaded: loaded.map(show), removed: removed.map(show), notices, ...(error && { error }) };
  }

  /**
   * What `specifier` means in `file`, absolute, which need not be there: for the prompt and playbooks. A source is loaded
   * with the consfig from then on, as if a file of hosts/ imported it. Throws why it cannot be loaded.
   */
  import(specifier: string, file: string): unknown {
    return this.#graph.import(specifier, file);
  }

  /**
   * What must be on a host so that its agent can apply `properties` (their names), as of the last refresh, with
   * `modules` (from the consfig's directory on) as they are now. Refuses, with `InapplicableProperty`, a name that
   * nobody defines, one defined at the prompt, a module that is not there or cannot be compiled, and npm packages that
   * are not pure JavaScript.
   */
  manifest(
    properties: Iterable<string>,
    hops: Iterable<string> = [],
    modules: Iterable<string> = [],
  ): Manifest {
    return this.#trees.manifest({
      properties: [...new Set(properties)].sort(),
      hops: [...new Set(hops)].sort(),
      modules: [...new Set(modules)].sort(),
    });
  }

  /** The content of one file of a manifest, by its hash. */
  blob(hash: string): Buffer {
    return this.#trees.blob(hash);
  }

  /** `text`, a stack or message, in which positions in compiled files, here or on a host, are the user's own lines. */
  mapPositions(text: string): string {
    return shorten(this.#trees.mapPositions(text), this.root);
  }

  /** Calls `onSave` with the files (absolute) that were saved, created or removed; several at once are one call. */
  watch(onSave: (files: string[]) => void): Watch {
    return watchSources(this.#graph, this.#trees, onSave);
  }

  /** Forgets all that the consfig defined, so that another can be opened in this process. */
  close(): void {
    this.#graph.clear();
    this.#scope = { names: {}, notices: [] };
  }

  /** The notices that were not there at the last refresh. */
  #news(): string[] {
    const empty = sourceDirectories.some((directory) => isDirectory(path.join(this.root, directory)))
      ? []
      : [`${this.root} has neither hosts/ nor properties/: \`consfig init\` makes a consfig that works`];
    const notices = [...empty, ...this.#scope.notices];
    const news = notices.filter((notice) => !this.#said.has(notice));
    this.#said = new Set(notices);
    return news;
  }
}

/**
 * The consfig in the directory `root`. Loads nothing yet: `refresh` does. Throws when there is no such directory.
 * `builtins` are the properties that every consfig has.
 */
export const openConsfig = (root: string, builtins = builtinProperties): Consfig =>
  new Consfig(root, builtins);

/** Before any evaluation, so that what the engine defines belongs to no file of the consfig. */
function loadEngine(): void {
  const index = ownFile("consfigurator");
  if (index) require(index);
}
