import { readFileSync } from "node:fs";
import type { ModuleGraph } from "./_graph";
import { compiledForm, type Import, importsOf } from "./_module";
import { withoutMap } from "./_positions";
import { isEngine, resolve } from "./resolve";
import { contentHash, readVersion, type Version, versionNow } from "./sources";

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
  /** Files, and the specifiers by which they are imported. */
  readonly modules: readonly string[];
  readonly edges: readonly (readonly [specifier: string, file: string])[];
  /** Of npm. */
  readonly packages: readonly Import[];
}

export function asFile(text: string): TreeFile {
  const content = Buffer.from(text);
  return { content, hash: contentHash(content) };
}

const loaded = new WeakMap<object, Travelling>();
const engine = new Map<string, Travelling>();
/** Modules that nothing on this side has loaded, as they were read last. */
const unloaded = new Map<string, { readonly version: Version; readonly form: Travelling }>();

/**
 * The module `file` of `graph`, or of the engine, which is read once as it is loaded once: both ends run the same. Any
 * other is read when it has changed.
 */
export function travellingForm(file: string, graph: ModuleGraph): Travelling {
  const module = graph.modules.get(file);
  if (!module && !isEngine(file)) return unloadedForm(file);
  const known = module ? loaded.get(module) : engine.get(file);
  if (known) return known;
  const compiled = module?.compiled ?? compiledForm(readFileSync(file, "utf8"), file);
  const made = asTravelling(file, compiled);
  if (module) loaded.set(module, made);
  else engine.set(file, made);
  return made;
}

/** The version of a module that nothing on this side has loaded, and that has travelled; undefined for others. */
export const unloadedVersion = (file: string): Version | undefined => unloaded.get(file)?.version;

function unloadedForm(file: string): Travelling {
  const known = unloaded.get(file);
  if (known && versionNow(file, known.version)?.hash === known.version.hash) return known.form;
  const { text, version } = readVersion(file);
  const form = asTravelling(file, compiledForm(text, file));
  unloaded.set(file, { version, form });
  return form;
}

function asTravelling(source: string, compiled: string): Travelling {
  const imports = importsOf(compiled).map((found) => ({ found, resolved: resolve(found.specifier, source) }));
  return {
    file: { ...asFile(withoutMap(compiled)), source, compiled },
    modules: imports.flatMap(({ resolved }) => ("file" in resolved ? [resolved.file] : [])),
    edges: imports.flatMap(({ found, resolved }) =>
      "file" in resolved ? [[found.specifier, resolved.file] as const] : [],
    ),
    packages: imports.flatMap(({ found, resolved }) => (resolved.kind === "package" ? [found] : [])),
  };
}
