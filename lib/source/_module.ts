import Module, { createRequire } from "node:module";
import { compile, run } from "./register";
import type { Version } from "./sources";

/** One import that the compiled form of a module makes. */
export interface Import {
  readonly specifier: string;
  /** Where it stands in the source. */
  readonly line: number;
  readonly column: number;
  /** Inside of a function: made when that runs, if ever. */
  readonly lazy: boolean;
  /** Made by `import()`. */
  readonly dynamic: boolean;
}

/** A module that was evaluated, as it was then. */
export interface LoadedModule {
  readonly file: string;
  version: Version;
  readonly compiled: string;
  readonly imports: readonly Import[];
  /** The modules of the graph that it imports, lazily or not, by specifier. */
  readonly edges: ReadonlyMap<string, string>;
  readonly module: NodeJS.Module;
}

/** `text` of `file` compiled, JSON as it is. Throws `CompileError`. */
export function compiledForm(text: string, file: string): string {
  return file.endsWith(".json") ? text : compile(text, file);
}

/** The imports of a compiled module: the compiler wrote them down at its end. */
export function importsOf(compiled: string): readonly Import[] {
  const found = /\n\/\/# imports=(\[.*\])\n/.exec(compiled.slice(compiled.lastIndexOf("\n//# imports=")));
  return found?.[1] === undefined ? [] : (JSON.parse(found[1]) as Import[]);
}

/** A module object of our own, in no cache, whose `require` is `required`. */
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

/**
 * Makes Node map positions by `loaded` again, after another version of its file was evaluated and given up: the body
 * is compiled once more but returns before its first statement.
 */
export function remap(loaded: LoadedModule): void {
  if (loaded.file.endsWith(".json")) return;
  const holder = newModule(loaded.file, () => undefined);
  run(holder, `return;${loaded.compiled}`, loaded.file);
  mapHolders.set(loaded, holder);
}

/** Node forgets a map when the module that it belongs to is gone. */
const mapHolders = new WeakMap<LoadedModule, NodeJS.Module>();

const requires = new Map<string, NodeJS.Require>();
/** Node's own `require`, as it is in `file`. */
export function requireFrom(file: string): NodeJS.Require {
  const known = requires.get(file) ?? createRequire(file);
  requires.set(file, known);
  return known;
}
