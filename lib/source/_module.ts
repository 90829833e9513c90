import Module, { createRequire } from "node:module";
import { compile, run } from "./register";
import type { Version } from "./sources";

/** One import of a compiled module. */
export interface Import {
  readonly specifier: string;
  /** Position in the source. */
  readonly line: number;
  readonly column: number;
  /** Inside a function: evaluated when the function runs. */
  readonly lazy: boolean;
  /** Written as `import()`. */
  readonly dynamic: boolean;
  /** In a `try` block: it may fail. */
  readonly tried?: boolean;
}

interface Position {
  readonly line: number;
  readonly column: number;
}

/** What a compiled module needs besides its imports. */
export interface Traits {
  /** Its first top-level await. */
  readonly awaits?: Position;
  /** Files that it names relative to its source. */
  readonly files: readonly (Position & { readonly path: string })[];
  /** What does not work in an executable, and why. */
  readonly unfit: readonly (Position & { readonly reason: string })[];
}

/** A module as it was when evaluated. */
export interface LoadedModule {
  readonly file: string;
  version: Version;
  readonly compiled: string;
  readonly imports: readonly Import[];
  /** Modules of the graph that it imports, lazily or not, by specifier. */
  readonly edges: ReadonlyMap<string, string>;
  readonly module: NodeJS.Module;
}

/**
 * Compiles `text` of `file`; JSON is returned unchanged. Throws `CompileError`, also for top-level await unless the module
 * `mayAwait`.
 */
export function compiledForm(text: string, file: string, { mayAwait = false } = {}): string {
  if (file.endsWith(".json")) return text;
  const compiled = compile(text, file);
  const { awaits } = traitsOf(compiled);
  if (!awaits || mayAwait) return compiled;
  const reason =
    "top-level await is not allowed: this file is loaded synchronously; move the await into a function";
  throw Object.assign(new SyntaxError(`${file}:${awaits.line}:${awaits.column}: ${reason}`), {
    name: "CompileError",
    ...{ file, ...awaits, reason, more: 0 },
  });
}

/** The traits of a compiled module, which the compiler appends to its output. */
export function traitsOf(compiled: string): Traits {
  const at = compiled.lastIndexOf("\n//# traits=");
  const [, found] = /\n\/\/# traits=(\{.*\})\n/.exec(at < 0 ? "" : compiled.slice(at)) ?? [];
  return found === undefined ? { files: [], unfit: [] } : (JSON.parse(found) as Traits);
}

/** The imports of a compiled module, which the compiler appends to its output. */
export function importsOf(compiled: string): readonly Import[] {
  const found = /\n\/\/# imports=(\[.*\])\n/.exec(compiled.slice(compiled.lastIndexOf("\n//# imports=")));
  return found?.[1] === undefined ? [] : (JSON.parse(found[1]) as Import[]);
}

/** A new module object, not in the require cache, whose `require` is `required`. */
export function newModule(file: string, required: (specifier: string) => unknown): NodeJS.Module {
  const module = new Module(file);
  module.filename = file;
  module.require = required;
  return module;
}

/** Runs `compiled` as the body of `module`. */
export function evaluate(module: NodeJS.Module, compiled: string): void {
  if (module.filename.endsWith(".json")) module.exports = JSON.parse(compiled);
  else run(module, compiled, module.filename);
  module.loaded = true;
}

const requires = new Map<string, NodeJS.Require>();
/** Node's own `require`, resolving from `file`. */
export function requireFrom(file: string): NodeJS.Require {
  const known = requires.get(file) ?? createRequire(file);
  requires.set(file, known);
  return known;
}
