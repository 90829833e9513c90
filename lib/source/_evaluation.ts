import path from "node:path";
import { definedBy } from "../model/registry";
import { compiledForm, evaluate, type Import, importsOf, type LoadedModule, newModule } from "./_module";
import type { SourceLocation } from "./_positions";
import { ConsfigLoadError } from "./loadError";
import { candidates, type Resolved, resolve } from "./resolve";
import { readVersion, type Version } from "./sources";

/** The parts of the module graph that an evaluation uses. */
export interface EvaluationGraph {
  /** `file` as shown to the user. */
  show(file: string): string;
  /** The `require` of the module `file`. */
  requireIn(file: string): (specifier: string) => unknown;
}

/** One attempt to update a graph: the modules kept, and those evaluated again. */
export class Evaluation {
  readonly modules: Map<string, LoadedModule>;
  /** Evaluated files, in order. */
  readonly evaluated: string[] = [];
  /** Every file read, also by a failed attempt. */
  readonly seen = new Map<string, Version>();
  /** Missing files whose creation would change the outcome. */
  readonly missing: string[] = [];
  /** The innermost module being evaluated when an error was thrown. */
  failedIn: string | undefined;
  readonly #graph: EvaluationGraph;
  readonly #path: string[] = [];
  readonly #edgesOf = new Map<string, Map<string, string>>();
  readonly #later: string[] = [];

  constructor(kept: Iterable<readonly [string, LoadedModule]>, graph: EvaluationGraph) {
    this.modules = new Map(kept);
    this.#graph = graph;
  }

  /** Loads `roots` and their imports, dependencies first, each once. Throws what their evaluation throws. */
  run(roots: readonly string[]): void {
    for (const root of roots) this.load(root);
    for (let next = this.#later.pop(); next !== undefined; next = this.#later.pop()) this.load(next);
  }

  /** The exports of the module `file`, which is evaluated unless it is loaded already. */
  load(file: string, importedAt?: SourceLocation): unknown {
    const known = this.modules.get(file);
    if (known) return known.module.exports;
    this.#refuseCycle(file, importedAt);
    try {
      return this.#evaluate(file);
    } catch (error) {
      this.failedIn ??= file;
      throw error;
    }
  }

  /** Like `load`, for a `require` call in `importer`, literal or computed. */
  required(importer: string, specifier: string, file: string): unknown {
    this.#edgesOf.get(importer)?.set(specifier, file);
    return this.load(file, { file: importer });
  }

  #refuseCycle(file: string, importedAt: SourceLocation | undefined): void {
    const start = this.#path.indexOf(file);
    if (start < 0) return;
    const { show } = this.#graph;
    const cycle = [...this.#path.slice(start), file].map(show).join(" → ");
    const last = importedAt ?? { file };
    throw new ConsfigLoadError(
      last,
      show(last.file),
      `circular import: ${cycle}; move the shared code into a file that imports none of these (import type is allowed)`,
    );
  }

  #evaluate(file: string): unknown {
    const { text, version } = readVersion(file);
    this.seen.set(file, version);
    const compiled = compiledForm(text, file);
    const imports = importsOf(compiled);
    const edges = this.#edges(file, imports);
    this.#edgesOf.set(file, edges);
    const module = newModule(file, this.#graph.requireIn(file));
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

  /** Resolves each import within the graph. One that cannot be resolved is refused here, at its line. */
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
    const hint = near ? `; did you mean '${near}'?` : "";
    return new ConsfigLoadError(
      { file, line, column },
      this.#graph.show(file),
      `cannot find '${specifier}'${hint}`,
    );
  }

  /** Imports inside functions are loaded too, but last: they may be circular, and `refresh` reports their errors. */
  #loadImports(file: string, imports: readonly Import[], edges: ReadonlyMap<string, string>): void {
    for (const { specifier, lazy, line, column } of imports) {
      const target = edges.get(specifier);
      if (target === undefined) continue;
      if (lazy) this.#later.push(target);
      else this.load(target, { file, line, column });
    }
  }
}
