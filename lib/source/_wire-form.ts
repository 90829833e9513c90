import { readFileSync } from "node:fs";
import type { ModuleGraph } from "./_graph";
import { compiledForm, type Import, importsOf, type Traits, traitsOf } from "./_module";
import { withoutMap } from "./_positions";
import { isEngine, resolve } from "./resolve";
import { contentHash, readVersion, type Version, versionNow } from "./sources";

/** One file of a tree, and what stays on the controller: the source, and the compiled form with its map. */
export interface TreeFile {
  readonly hash: string;
  readonly content: Buffer;
  readonly source?: string;
  readonly compiled?: string;
}

/** A module as sent to a host, and its imports. */
export interface WireModule {
  readonly file: TreeFile;
  /** Imported files, and the specifiers that import them. */
  readonly modules: readonly string[];
  readonly edges: readonly (readonly [specifier: string, file: string])[];
  /** Files that are imported while the module is loaded, in order. */
  readonly first: readonly string[];
  /** Imports of npm packages. */
  readonly packages: readonly Import[];
  /** Imports of files that do not exist, with a similar one. */
  readonly missing: readonly (Import & { readonly near: string | undefined })[];
  readonly traits: Traits;
}

export function asFile(text: string | Buffer): TreeFile {
  const content = typeof text === "string" ? Buffer.from(text) : text;
  return { content, hash: contentHash(content) };
}

const loaded = new WeakMap<object, WireModule>();
const engine = new Map<string, WireModule>();
/** Modules not loaded on the controller, as last read. */
const unloaded = new Map<string, { readonly version: Version; readonly form: WireModule }>();

/**
 * The module `file` as sent to a host. Engine modules are read only once, as they are loaded only once, so that both ends
 * run the same code. Modules in neither the graph nor the engine are read again when they change.
 */
export function wireForm(file: string, graph: ModuleGraph): WireModule {
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

/** The version of a module that was sent but is not loaded on the controller; undefined for others. */
export const unloadedVersion = (file: string): Version | undefined => unloaded.get(file)?.version;

function unloadedForm(file: string): WireModule {
  const known = unloaded.get(file);
  if (known && versionNow(file, known.version)?.hash === known.version.hash) return known.form;
  const { text, version } = readVersion(file);
  const form = asTravelling(file, compiledForm(text, file, { mayAwait: true }));
  unloaded.set(file, { version, form });
  return form;
}

function asTravelling(source: string, compiled: string): WireModule {
  const imports = importsOf(compiled).map((found) => ({ found, resolved: resolve(found.specifier, source) }));
  return {
    file: { ...asFile(withoutMap(compiled)), source, compiled },
    modules: imports.flatMap(({ resolved }) => ("file" in resolved ? [resolved.file] : [])),
    edges: imports.flatMap(({ found, resolved }) =>
      "file" in resolved ? [[found.specifier, resolved.file] as const] : [],
    ),
    first: imports.flatMap(({ found, resolved }) =>
      "file" in resolved && !found.lazy ? [resolved.file] : [],
    ),
    packages: imports.flatMap(({ found, resolved }) => (resolved.kind === "package" ? [found] : [])),
    missing: imports.flatMap(({ found, resolved }) =>
      resolved.kind === "missing" ? [{ ...found, near: resolved.near }] : [],
    ),
    traits: traitsOf(compiled),
  };
}
