import path from "node:path";
import { ENGINE, MODULES, type ModuleList, PROPERTY_NAMES, programs } from "../agent/shared/tree";
import type { Manifest } from "../model/agent-artifacts";
import { InapplicableProperty } from "../model/errors";
import { hops } from "../model/hop";
import { properties } from "../model/property";
import { root as engineRoot } from "../util/package";
import type { PackageImport } from "./_bundle";
import type { ModuleGraph } from "./_graph";
import type { Import } from "./_module";
import { packageName } from "./_outside";
import { importOf, PackageTree } from "./_packages";
import { mapTextOf } from "./_positions";
import { standInFor } from "./_standIns";
import { asFile, type Travelling, type TreeFile, travellingForm, unloadedVersion } from "./_travelling";
import { candidates, isEngine, resolve } from "./resolve";
import { asJavaScript, contentHash, isFile, type Version } from "./sources";

export interface Tree {
  readonly manifest: Manifest;
  /** The files in it that nothing on this side has loaded: no refresh tells when they change. */
  readonly unloaded: ReadonlyMap<string, Version>;
  readonly files: ReadonlyMap<string, TreeFile>;
}

/** What runs on the host loads one of these; their imports travel. */
const workers = [programs.worker, programs.childWorker].map((place) => path.join(engineRoot, `${place}.ts`));
const engineVersion = (require(path.join(engineRoot, "package.json")) as { version: string }).version;
const ENGINE_PACKAGE = `${ENGINE}/package.json`;

/** What a tree is for, by name. */
export interface Wanted {
  readonly properties: readonly string[];
  readonly hops: readonly string[];
  /** From the consfig's directory on. */
  readonly modules: readonly string[];
}

/** The tree that `wanted` needs. Refuses, with `InapplicableProperty`, what cannot travel. */
export function treeFor(wanted: Wanted, graph: ModuleGraph): Tree {
  const closure = new Closure(graph);
  for (const worker of workers) closure.add(worker);
  closure.standInFromHere();
  closure.ask(wanted);
  const places = [
    ...wanted.properties.map((name) => closure.addProperty(name)),
    ...wanted.hops.map((name) => closure.addHop(name)),
  ];
  const entries = [...new Set(places)].sort();
  closure.addModules(wanted.modules);
  closure.addText(PROPERTY_NAMES, JSON.stringify(wanted.properties));
  const files = new Map([...closure.files()].sort(([one], [other]) => (one < other ? -1 : 1)));
  const listed = [...files].map(([place, { hash, content }]) => ({
    path: place,
    hash,
    size: content.length,
  }));
  const hash = contentHash(JSON.stringify([listed.map((file) => [file.path, file.hash]), entries]));
  return { manifest: { hash, files: listed, entries }, files, unloaded: closure.unloaded() };
}

/** The file that the module `name` is, in the consfig at `root`. */
function moduleFile(name: string, root: string): string {
  const base = path.join(root, name);
  const found = candidates(base).find(isFile);
  if (found !== undefined) return found;
  const resolved = resolve(base, path.join(root, "consfig"));
  const near =
    resolved.kind === "missing" && resolved.near ? `; there is "${resolved.near.slice(root.length)}"` : "";
  throw new ModuleRefused(name, new Error(`there is no module "${name}" in the consfig${near}`));
}

/** A module that was said with a property, and cannot travel. */
export class ModuleRefused extends InapplicableProperty {
  constructor(
    readonly module: string,
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Modules, and all that they import. */
class Closure {
  readonly #graph: ModuleGraph;
  readonly #files = new Map<string, TreeFile>();
  readonly #packages = new PackageTree();
  readonly #placed = new Map<string, string>();
  #standingIn = false;
  /** What defines something that is wanted stands there itself. */
  readonly #asked = new Set<string>();

  constructor(graph: ModuleGraph) {
    this.#graph = graph;
    this.#files.set("package.json", asFile('{"type":"commonjs"}\n'));
    const own = { name: "consfigurator", version: engineVersion, main: "lib/index.js" };
    this.#files.set(ENGINE_PACKAGE, asFile(`${JSON.stringify(own)}\n`));
  }

  *files(): Iterable<[string, TreeFile]> {
    yield* this.#files;
    for (const [place, text] of this.#packages.files()) yield [place, asFile(text)];
  }

  /** Adds a file that is of no module. */
  addText(place: string, text: string): void {
    this.#files.set(place, asFile(text));
  }

  /** What is added from now on gets a stand-in for what is of no use on a host. */
  standInFromHere(): void {
    this.#standingIn = true;
  }

  /** Notes what defines what is wanted, before any of it is reached as an import of something else. */
  ask(wanted: Wanted): void {
    const files = [
      ...wanted.properties.map((name) => properties.fileOf(name)),
      ...wanted.hops.map((name) => hops.fileOf(name)),
    ];
    for (const file of files) if (file !== undefined) this.#asked.add(file);
  }

  /** Adds what defines the property `name`, and gives the place to require. */
  addProperty(name: string): string {
    const file = properties.fileOf(name);
    if (file === undefined) {
      const [near] = properties.similar(name);
      throw new InapplicableProperty(`there is no property "${name}"${near ? `; there is "${near}"` : ""}`);
    }
    const site = properties.siteOf(name);
    if (site?.atPrompt) {
      throw new InapplicableProperty(
        `the property "${name}" was defined at the prompt (${site}), and only files travel to a host; put it into a file of properties/`,
      );
    }
    if (this.#isSource(file)) return this.add(file);
    const imports = [...this.#graph.modules.keys()].flatMap((importer) =>
      travellingForm(importer, this.#graph).packages.map((imported, _index, all) =>
        this.#said(imported, importer, all),
      ),
    );
    return this.#addPackage(importOf(file, imports)) ?? "";
  }

  /** Adds what defines the hop `name`, and gives the place to require. */
  addHop(name: string): string {
    const file = hops.fileOf(name);
    if (file === undefined || !this.#isSource(file)) {
      throw new InapplicableProperty(
        `the hop via.${name} cannot be opened from a host: it is defined in no file that travels`,
      );
    }
    return this.add(file);
  }

  /**
   * Adds modules that are said with properties, each with all that it imports, their maps, and a list of what means
   * what in them: so that a host can make something of them by itself.
   */
  addModules(names: readonly string[]): void {
    if (names.length === 0) return;
    const listed = Object.fromEntries(names.map((name) => [name, this.#listed(name)]));
    this.#files.set(MODULES, asFile(JSON.stringify(listed)));
  }

  #listed(name: string): ModuleList {
    const file = moduleFile(name, this.#graph.root);
    try {
      const main = this.add(file);
      const files: Record<string, Record<string, string>> = {};
      const packages: Record<string, string> = {};
      const imported: Record<string, string> = {};
      for (const each of this.#reach(file)) {
        const place = this.add(each);
        const form = this.#formOf(each);
        files[place] = Object.fromEntries(form.edges.map(([specifier, to]) => [specifier, this.add(to)]));
        for (const found of form.packages) {
          const at = this.#addPackage(this.#said(found, each, form.packages));
          if (at !== undefined) (found.dynamic ? imported : packages)[found.specifier] = at;
        }
        if (form.file.compiled !== undefined && !isEngine(each))
          this.#addMap(place, each, form.file.compiled);
      }
      return { main, files, packages, imported };
    } catch (error) {
      throw new ModuleRefused(name, error);
    }
  }

  /** As it travels: with nothing of what a stand-in hides. */
  #formOf(file: string): Travelling {
    const standIn = this.#asked.has(file) ? undefined : standInFor(file);
    return standIn === undefined
      ? travellingForm(file, this.#graph)
      : { file: asFile(standIn), modules: [], edges: [], packages: [] };
  }

  #reach(file: string): Set<string> {
    const reached = new Set([file]);
    for (const each of reached) for (const module of this.#formOf(each).modules) reached.add(module);
    return reached;
  }

  #addMap(place: string, file: string, compiled: string): void {
    const map = mapTextOf(compiled);
    if (map === undefined) return;
    const { version, names, mappings } = JSON.parse(map) as Record<string, unknown>;
    const sources = [this.#graph.show(file)];
    this.#files.set(`${place}.map`, asFile(JSON.stringify({ version, sources, names, mappings })));
  }

  /** Versions of what is here and in no graph. */
  unloaded(): ReadonlyMap<string, Version> {
    return new Map(
      [...this.#placed.keys()].flatMap((file) => {
        const version = this.#graph.modules.has(file) ? undefined : unloadedVersion(file);
        return version ? [[file, version] as const] : [];
      }),
    );
  }

  #isSource(file: string): boolean {
    return this.#graph.modules.has(file) || file.startsWith(path.join(engineRoot, "lib") + path.sep);
  }

  /** Adds the module `file` and its imports; gives its place. */
  add(file: string): string {
    const known = this.#placed.get(file);
    if (known !== undefined) return known;
    const place = this.#placeOf(file);
    this.#placed.set(file, place);
    const standIn = this.#standingIn && !this.#asked.has(file) ? standInFor(file) : undefined;
    if (standIn !== undefined) {
      this.#put(place, asFile(standIn), file);
      return place;
    }
    const { file: content, modules, packages } = travellingForm(file, this.#graph);
    this.#put(place, content, file);
    for (const module of modules) this.add(module);
    for (const imported of packages) this.#addPackage(this.#said(imported, file, packages));
    return place;
  }

  #put(place: string, content: TreeFile, file: string): void {
    const there = this.#files.get(place);
    if (there?.source !== undefined && there.source !== file && there.hash !== content.hash) {
      const [one, other] = [there.source, file].map(this.#graph.show);
      throw new InapplicableProperty(
        `${one} and ${other} are both ${place} when compiled; give one of them another name`,
      );
    }
    if (place !== ENGINE_PACKAGE) this.#files.set(place, content);
  }

  #placeOf(file: string): string {
    const inEngine = path.relative(engineRoot, file);
    const inConsfig = path.relative(this.#graph.root, file);
    const isEngine =
      !inEngine.startsWith("..") && (inConsfig.startsWith("..") || inEngine.length <= inConsfig.length);
    if (!isEngine && inConsfig.startsWith("..")) {
      throw new InapplicableProperty(
        `${file} is outside of the consfig, so it cannot travel to a host; move it below ${this.#graph.root}`,
      );
    }
    return asJavaScript(isEngine ? path.join(ENGINE, inEngine) : path.join("consfig", inConsfig));
  }

  #said({ specifier, line, dynamic }: Import, importer: string, all: readonly Import[]): PackageImport {
    const besides = all.filter((other) => !other.dynamic).map((other) => other.specifier);
    return {
      specifier,
      importer,
      at: `${this.#graph.show(importer)}:${line}`,
      dynamic,
      besides: besides.filter((other) => packageName(other) !== packageName(specifier)).sort(),
    };
  }

  #addPackage(imported: PackageImport): string | undefined {
    const ofEngine = imported.importer.startsWith(path.join(engineRoot, "lib") + path.sep);
    return this.#packages.add(imported, ofEngine ? `${ENGINE}/node_modules` : "node_modules");
  }
}
