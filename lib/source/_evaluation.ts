import path from "node:path";
import { definedBy } from "../model/registry";
import { compiledForm, evaluate, type Import, importsOf, type LoadedModule, newModule } from "./_module";
import type { SourceLocation } from "./_positions";
import { ConsfigLoadError } from "./loadError";
import { candidates, type Resolved, resolve } from "./resolve";
import { readVersion, type Version } from "./sources";

/** What an evaluation needs to know of the graph that it is for. */
export interface Surroundings {
  /** `file` as people know it. */
  show(file: string): string;
  /** The `require` of the module `file`. */
  requireIn(file: string): (specifier: string) => unknown;
}

/** One attempt to bring a graph up to date: the modules that are kept, and those evaluated anew. */
export class Evaluation {
  readonly modules: Map<string, LoadedModule>;
  /** Files evaluated, in order. */
  readonly evaluated: string[] = [];
  /** All that was read, also by an attempt that fails. */
  readonly seen = new Map<string, Version>();
  /** Files that are not there, and would change the outcome if they were. */
  readonly missing: string[] = [];
  /** The innermost module under evaluation when something was thrown. */
  failedIn: string | undefined;
  readonly #surroundings: Surroundings;
  readonly #path: string[] = [];
  readonly #edgesOf = new Map<string, Map<string, string>>();
  readonly #later: string[] = [];

  constructor(kept: Iterable<readonly [string, LoadedModule]>, surroundings: Surroundings) {
    this.modules = new Map(kept);
    this.#surroundings = surroundings;
  }

  /** Loads `roots` and all they import, dependencies first, each once. Throws what their evaluation throws. */
  run(roots: readonly string[]): void {
    for (const root of roots) this.load(root);
    for (let next = this.#later.pop(); next !== undefined; next = this.#later.pop()) this.load(next);
  }

  /** The exports of the module `file`, which is evaluated unless it is there. */
  load(file: string, importedAt?: SourceLocation): unknown {
    const known = this.modules.get(file);
    if (known) return known.module.exports;
    this.#refuseCircle(file, importedAt);
    try {
      return this.#evaluate(file);
    } catch (error) {
      this.failedIn ??= file;
      throw error;
    }
  }

  /** As `load`, for a `require` that runs in `importer`, written out or computed. */
  required(importer: string, specifier: string, file: string): unknown {
    this.#edgesOf.get(importer)?.set(specifier, file);
    return this.load(file, { file: importer });
  }

  #refuseCircle(file: string, importedAt: SourceLocation | undefined): void {
    const start = this.#path.indexOf(file);
    if (start < 0) return;
    const { show } = this.#surroundings;
    const circle = [...this.#path.slice(start), file].map(show).join(" → ");
    const last = importedAt ?? { file };
    throw new ConsfigLoadError(
      last,
      show(last.file),
      `circular import: ${circle}; move what they share into a file that imports none of them (import type is allowed)`,
    );
  }

  #evaluate(file: string): unknown {
    const { text, version } = readVersion(file);
    this.seen.set(file, version);
    const compiled = compiledForm(text, file);
    const imports = importsOf(compiled);
    const edges = this.#edges(file, imports);
    this.#edgesOf.set(file, edges);
    const module = newModule(file, this.#surroundings.requireIn(file));
    this.#path.push(file);
    try {
      this.#loadImports(file, imports, edges);
      definedBy(file, () => evaluate(module, compiled));
    } finally {
      this.#path.pop();
    }
    this.modules.set(file, { file, version, compiled, imports, edges, module });
    this.evaluated.push(file);
    return module.exports;
  }

  /** What each import of our own means; refused here, at its line, when that is nothing. */
  #edges(file: string, imports: readonly Import[]): Map<string, string> {
    const edges = new Map<string, string>();
    for (const found of imports) {
      const resolved = resolve(found.specifier, file);
      if (resolved.kind === "missing") throw this.#missing(file, found, resolved);
      if (resolved.kind === "graph") edges.set(found.specifier, resolved.file);
    }
    return edges;
  }

  #missing(file: string, { specifier, line, column }: Import, { near }: Resolved & { kind: "missing" }) {
    this.missing.push(...candidates(path.resolve(path.dirname(file), specifier)));
    const hint = near ? `; there is '${near}'` : "";
    return new ConsfigLoadError(
      { file, line, column },
      this.#surroundings.show(file),
      `cannot find '${specifier}'${hint}`,
    );
  }

  /** Imports inside of functions are loaded too, but last: they may go in circles, and `refresh` finds their errors. */
  #loadImports(file: string, imports: readonly Import[], edges: ReadonlyMap<string, string>): void {
    for (const { specifier, lazy, line, column } of imports) {
      const target = edges.get(specifier);
      if (target === undefined) continue;
      if (lazy) this.#later.push(target);
      else this.load(target, { file, line, column });
    }
  }
}
