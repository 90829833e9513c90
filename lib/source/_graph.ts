import path from "node:path";
import { dataSources } from "../model/data-source";
import { hops } from "../model/hop";
import { hosts } from "../model/host";
import { properties } from "../model/property";
import type { Registry } from "../model/registry";
import { root as engineRoot } from "../util/package";
import { setSourceMap } from "../util/source-maps.js";
import { Evaluation, type EvaluationGraph } from "./_evaluation";
import { explain } from "./_explain";
import type { LoadedModule } from "./_module";
import { requireOutside } from "./_outside";
import { ConsfigLoadError } from "./loadError";
import { builtinProperties, resolve } from "./resolve";
import { isFile, rootFiles, sourceDirectories, type Version, versionNow } from "./sources";

/** The result of a refresh. Files are absolute. */
export interface Reloaded {
  readonly loaded: readonly string[];
  readonly removed: readonly string[];
  readonly error?: ConsfigLoadError;
}

interface Failure {
  readonly error: ConsfigLoadError;
  readonly roots: string;
  readonly seen: ReadonlyMap<string, Version>;
  readonly missing: readonly string[];
}

const registries: readonly Registry<unknown>[] = [
  properties,
  hosts,
  hops,
  dataSources,
] as unknown as Registry<unknown>[];

/** The modules of a consfig and of the built-in properties, by file, as last evaluated. */
export class ModuleGraph implements EvaluationGraph {
  readonly root: string;
  readonly #directories: readonly string[];
  #modules: ReadonlyMap<string, LoadedModule> = new Map();
  #roots: readonly string[] = [];
  /** Files imported from outside the graph: at the prompt, or by a playbook. */
  readonly #imported = new Set<string>();
  #active: Evaluation | undefined;
  #failure: Failure | undefined;

  constructor(root: string, builtins: string) {
    this.root = root;
    const own = sourceDirectories.map((directory) => path.join(root, directory));
    this.#directories = [...new Set([...own, builtins])];
  }

  get modules(): ReadonlyMap<string, LoadedModule> {
    return this.#modules;
  }

  /** Files loaded without being imported. */
  get roots(): readonly string[] {
    return this.#roots.filter((file) => !this.#imported.has(file));
  }

  /**
   * Imports `specifier` as `file` would; `file` need not exist. A source file then stays in this graph. Throws when it
   * cannot be loaded.
   */
  import(specifier: string, file: string): unknown {
    const resolved = resolve(specifier, file);
    if (resolved.kind === "graph" && !this.#modules.has(resolved.file)) {
      this.#imported.add(resolved.file);
      const { error } = this.refresh();
      if (error) {
        this.#imported.delete(resolved.file);
        throw error;
      }
    }
    return this.#require(file, specifier);
  }

  /** Directories where sources may appear, and those of the loaded modules. */
  get directories(): readonly string[] {
    return [
      ...new Set([...this.#directories, ...[...this.#modules.keys()].map((file) => path.dirname(file))]),
    ];
  }

  /** `file` relative to the consfig; a file of this package begins with `consfigurator/`. */
  show = (file: string): string => {
    const inRoot = path.relative(this.root, file);
    if (!inRoot.startsWith("..")) return inRoot;
    const inEngine = path.relative(engineRoot, file);
    return inEngine.startsWith("..") ? file : path.join("consfigurator", inEngine);
  };

  /** Evaluates changed files and their dependents. A failure leaves modules and registries as they were. */
  refresh(): Reloaded {
    const own = rootFiles(this.#directories);
    const roots = [...own, ...[...this.#imported].filter((file) => !own.includes(file) && isFile(file))];
    if (this.#failure && this.#stillFails(this.#failure, roots))
      return { loaded: [], removed: [], error: this.#failure.error };
    const changed = this.#changed(roots);
    const added = roots.filter((file) => !this.#modules.has(file));
    this.#failure = undefined;
    if (changed.size === 0 && added.length === 0 && roots.length === this.#roots.length)
      return { loaded: [], removed: [] };
    return this.#evaluate(roots, this.#withDependents(changed));
  }

  /** Drops all modules and their definitions. */
  clear(): void {
    const files = [...this.#modules.keys()];
    for (const registry of registries) registry.forget(new Set(files));
    shareBuiltins(new Map(), files);
    this.#modules = new Map();
    this.#roots = [];
    this.#imported.clear();
    this.#failure = undefined;
  }

  #stillFails({ roots, seen, missing }: Failure, now: readonly string[]): boolean {
    if (roots !== now.join("\n") || missing.some(isFile)) return false;
    for (const [file, version] of seen) if (versionNow(file, version)?.hash !== version.hash) return false;
    return true;
  }

  /** Loaded files that changed, are gone, or whose imports now resolve to other files. */
  #changed(roots: readonly string[]): Set<string> {
    const changed = new Set<string>();
    for (const loaded of this.#modules.values()) {
      const now = versionNow(loaded.file, loaded.version);
      if (now?.hash === loaded.version.hash) loaded.version = now;
      else changed.add(loaded.file);
    }
    const sameFiles = roots.join("\n") === this.#roots.join("\n") && [...changed].every(isFile);
    if (!sameFiles)
      for (const loaded of this.#modules.values()) if (resolvesDifferently(loaded)) changed.add(loaded.file);
    return changed;
  }

  #withDependents(changed: ReadonlySet<string>): Set<string> {
    const dirty = new Set(changed);
    for (const file of dirty) {
      for (const other of this.#modules.values()) if (dependsOn(other, file)) dirty.add(other.file);
    }
    return dirty;
  }

  #evaluate(roots: readonly string[], dirty: ReadonlySet<string>): Reloaded {
    const kept = [...this.#modules].filter(([file]) => !dirty.has(file));
    const evaluation = new Evaluation(kept, this);
    const before = registries.map((registry) => registry.snapshot());
    for (const registry of registries) registry.forget(dirty);
    this.#active = evaluation;
    try {
      evaluation.run(roots);
    } catch (thrown) {
      const error = explain(thrown, evaluation, this.root, this.show);
      this.#restore(evaluation, before);
      this.#failure = this.#failureOf(error, evaluation, roots);
      return { loaded: [], removed: [], error };
    } finally {
      this.#active = undefined;
    }
    return this.#accept(evaluation, roots);
  }

  /** Keeps definitions made by the engine during the attempt: it is loaded only once. */
  #restore({ seen, evaluated }: Evaluation, before: readonly ReadonlyMap<string, unknown>[]): void {
    const attempted = new Set(seen.keys());
    for (const [index, registry] of registries.entries()) {
      registry.forget(attempted);
      registry.restore(
        new Map([...registry.snapshot(), ...(before[index] ?? [])]) as ReturnType<typeof registry.snapshot>,
      );
    }
    for (const file of evaluated) {
      const previous = this.#modules.get(file);
      if (previous) setSourceMap(previous.file, previous.compiled);
    }
  }

  #failureOf(error: ConsfigLoadError, { seen, missing }: Evaluation, roots: readonly string[]): Failure {
    const loaded = [...this.#modules.values()].filter(({ file }) => !seen.has(file));
    const versions = new Map(seen);
    for (const { file, version } of loaded) {
      const now = versionNow(file, version);
      if (now) versions.set(file, now);
    }
    return { error, roots: roots.join("\n"), seen: versions, missing };
  }

  #accept({ modules, evaluated }: Evaluation, roots: readonly string[]): Reloaded {
    const reachable = reach(modules, roots);
    const removed = [...this.#modules.keys()].filter((file) => !reachable.has(file));
    for (const registry of registries) registry.forget(new Set(removed));
    this.#modules = reachable;
    this.#roots = roots;
    shareBuiltins(reachable, removed);
    return { loaded: evaluated, removed };
  }

  /** The closure refers to the graph only: an old version of a module must not keep its old imports in memory. */
  requireIn(file: string): (specifier: string) => unknown {
    return (specifier) => this.#require(file, specifier);
  }

  #require(file: string, specifier: string): unknown {
    const resolved = resolve(specifier, file);
    switch (resolved.kind) {
      case "graph":
        return this.#active
          ? this.#active.required(file, specifier, resolved.file)
          : this.#loaded(resolved.file);
      case "missing": {
        const hint = resolved.near === undefined ? "" : `; did you mean '${resolved.near}'?`;
        throw new ConsfigLoadError({ file }, this.show(file), `cannot find '${specifier}'${hint}`);
      }
      default:
        return requireOutside(resolved, file);
    }
  }

  #loaded(file: string): unknown {
    const loaded = this.#modules.get(file);
    if (loaded) return loaded.module.exports;
    throw new ConsfigLoadError(
      { file },
      this.show(file),
      'is not loaded; import it with a literal name, such as import("./name")',
    );
  }
}

const isLazy = ({ imports }: LoadedModule, specifier: string): boolean => {
  const written = imports.filter((found) => found.specifier === specifier);
  return written.length > 0 && written.every(({ lazy }) => lazy);
};

const resolvesDifferently = ({ file, edges }: LoadedModule): boolean =>
  [...edges].some(([specifier, target]) => {
    const resolved = resolve(specifier, file);
    return resolved.kind !== "graph" || resolved.file !== target;
  });

/** An import inside a function looks up the current module each time it runs. */
const dependsOn = (loaded: LoadedModule, file: string): boolean =>
  [...loaded.edges].some(([specifier, target]) => target === file && !isLazy(loaded, specifier));

function reach(
  modules: ReadonlyMap<string, LoadedModule>,
  roots: readonly string[],
): Map<string, LoadedModule> {
  const reached = new Map<string, LoadedModule>();
  const visit = (file: string): void => {
    const loaded = modules.get(file);
    if (!loaded || reached.has(file)) return;
    reached.set(file, loaded);
    for (const target of loaded.edges.values()) visit(target);
  };
  for (const root of roots) visit(root);
  return reached;
}

/** A `require` of a built-in property through Node, for example by an npm package, gets the module of the graph. */
function shareBuiltins(modules: ReadonlyMap<string, LoadedModule>, removed: readonly string[]): void {
  for (const file of removed) delete require.cache[file];
  for (const { file, module } of modules.values()) {
    if (file.startsWith(builtinProperties + path.sep)) require.cache[file] = module;
  }
}
