import { readFileSync } from "node:fs";
import type { ModuleGraph } from "./_graph";
import { compiledForm, type Import, importsOf } from "./_module";
import { withoutMap } from "./_positions";
import { resolve } from "./_resolve";
import { contentHash } from "./_sources";

/** One file of a tree, with what stays here: the source, and the compiled form with its map. */
export interface TreeFile {
  readonly hash: string;
  readonly content: Buffer;
  readonly source?: string;
  readonly compiled?: string;
}

/** A module as it travels, and what it imports. */
export interface Travelling {
  readonly file: TreeFile;
  /** Files. */
  readonly modules: readonly string[];
  /** Of npm. */
  readonly packages: readonly Import[];
}

export function asFile(text: string): TreeFile {
  const content = Buffer.from(text);
  return { content, hash: contentHash(content) };
}

const loaded = new WeakMap<object, Travelling>();
const engine = new Map<string, Travelling>();

/** The module `file` of `graph`, or of the engine, which is read once as it is loaded once: both ends run the same. */
export function travellingForm(file: string, graph: ModuleGraph): Travelling {
  const module = graph.modules.get(file);
  const known = module ? loaded.get(module) : engine.get(file);
  if (known) return known;
  const compiled = module?.compiled ?? compiledForm(readFileSync(file, "utf8"), file);
  const made = asTravelling(file, compiled);
  if (module) loaded.set(module, made);
  else engine.set(file, made);
  return made;
}

function asTravelling(source: string, compiled: string): Travelling {
  const imports = importsOf(compiled).map((found) => ({ found, resolved: resolve(found.specifier, source) }));
  return {
    file: { ...asFile(withoutMap(compiled)), source, compiled },
    modules: imports.flatMap(({ resolved }) => ("file" in resolved ? [resolved.file] : [])),
    packages: imports.flatMap(({ found, resolved }) => (resolved.kind === "package" ? [found] : [])),
  };
}
