import { readFileSync } from "node:fs";
import path from "node:path";
import { ASSETS, ENGINE, MODULES, type ModuleList, PROPERTY_NAMES, programs } from "../agent/shared/tree";
import type { Manifest } from "../model/agent-artifacts";
import { InapplicableProperty } from "../model/errors";
import { hops } from "../model/hop";
import { properties } from "../model/property";
import { root as engineRoot } from "../util/package";
import { mapTextIn } from "../util/source-maps.js";
import { filesNamed } from "./_assets";
import type { PackageImport } from "./_bundle";
import type { ModuleGraph } from "./_graph";
import type { Import, Traits } from "./_module";
import { ModuleRefused, moduleFile } from "./_moduleFile";
import { importOf, installedFile, PackageTree } from "./_packages";
import { awaitingIn, reach } from "./_reach";
import { standInFor } from "./_standIns";
import { refuseUnfit } from "./_unfit";
import { asFile, type TreeFile, unloadedVersion, type WireModule, wireForm } from "./_wire-form";
import { isEngine, packageName } from "./resolve";
import { asJavaScript, contentHash, readVersion, type Version } from "./sources";

export interface Tree {
  readonly manifest: Manifest;
  /** Files in it that are not loaded on the controller, so that a refresh does not notice their changes. */
  readonly unloaded: ReadonlyMap<string, Version>;
  readonly files: ReadonlyMap<string, TreeFile>;
}

export { ModuleRefused };

/** The worker programs that run on a host; they are sent with their imports. */
const workers = [programs.worker, programs.childWorker].map((name) => path.join(engineRoot, `${name}.ts`));
const engineVersion = (require(path.join(engineRoot, "package.json")) as { version: string }).version;
const ENGINE_PACKAGE = `${ENGINE}/package.json`;

/** Names of everything that a tree must contain. */
export interface TreeRequest {
  readonly properties: readonly string[];
  readonly hops: readonly string[];
  /** Paths relative to the consfig, beginning with `/`. */
  readonly modules: readonly string[];
}

/** Builds the tree for `request`. Throws `InapplicableProperty` for anything that cannot be sent to a host. */
export function treeFor(request: TreeRequest, graph: ModuleGraph): Tree {
  const closure = new Closure(graph);
  for (const worker of workers) closure.add(worker);
  closure.enableStandIns();
  closure.request(request);
  const paths = [
    ...request.properties.map((name) => closure.addProperty(name)),
    ...request.hops.map((name) => closure.addHop(name)),
  ];
  const entries = [...new Set(paths)].sort();
  closure.addModules(request.modules);
  closure.addText(PROPERTY_NAMES, JSON.stringify(request.properties));
  const files = new Map([...closure.files()].sort(([one], [other]) => (one < other ? -1 : 1)));
  const listed = [...files].map(([treePath, { hash, content }]) => ({
    path: treePath,
    hash,
    size: content.length,
  }));
  const hash = contentHash(JSON.stringify([listed.map((file) => [file.path, file.hash]), entries]));
  return { manifest: { hash, files: listed, entries }, files, unloaded: closure.unloaded() };
}

/** The modules of a tree with everything they import. */
class Closure {
  readonly #graph: ModuleGraph;
  readonly #files = new Map<string, TreeFile>();
  readonly #packages = new PackageTree();
  readonly #treePaths = new Map<string, string>();
  /** Files that are sent as they are. */
  readonly #assets = new Set<string>();
  #standInsEnabled = false;
  /** Files that define a requested property or hop: these are never replaced by stand-ins. */
  readonly #requested = new Set<string>();

  constructor(graph: ModuleGraph) {
    this.#graph = graph;
    this.#files.set("package.json", asFile('{"type":"commonjs"}\n'));
    const own = { name: "consfigurator", version: engineVersion, main: "lib/index.js" };
    this.#files.set(ENGINE_PACKAGE, asFile(`${JSON.stringify(own)}\n`));
  }

  *files(): Iterable<[string, TreeFile]> {
    yield* this.#files;
    for (const [treePath, text] of this.#packages.files()) yield [treePath, asFile(text)];
  }

  /** Adds a file that is not a module. */
  addText(treePath: string, text: string): void {
    this.#files.set(treePath, asFile(text));
  }

  /** From now on modules that are useless on a host are replaced by stand-ins. */
  enableStandIns(): void {
    this.#standInsEnabled = true;
  }

  /** Records the files that define what is requested, before they are reached as imports of other files. */
  request({ properties: names, hops: hopNames }: TreeRequest): void {
    const files = [
      ...names.map((name) => properties.fileOf(name)),
      ...hopNames.map((name) => hops.fileOf(name)),
    ];
    for (const file of files) if (file !== undefined) this.#requested.add(file);
  }

  /** Adds the module that defines the property `name`; returns the path to require. */
  addProperty(name: string): string {
    const file = properties.fileOf(name);
    if (file === undefined) {
      const [near] = properties.similar(name);
      throw new InapplicableProperty(
        `there is no property "${name}"${near ? `; did you mean "${near}"?` : ""}`,
      );
    }
    const site = properties.siteOf(name);
    if (site?.atPrompt) {
      throw new InapplicableProperty(
        `the property "${name}" was defined at the prompt (${site}), and only files are sent to a host; put it into a file in properties/`,
      );
    }
    if (this.#isSource(file)) return this.add(file);
    const imports = [...this.#graph.modules.keys()].flatMap((importer) =>
      wireForm(importer, this.#graph).packages.map((imported, _index, all) =>
        this.#packageImport(imported, importer, all),
      ),
    );
    return this.#addPackage(importOf(file, imports)) ?? "";
  }

  /** Adds the module that defines the hop `name`; returns the path to require. */
  addHop(name: string): string {
    const file = hops.fileOf(name);
    if (file === undefined || !this.#isSource(file)) {
      throw new InapplicableProperty(
        `the hop via.${name} cannot be opened from a host: it is not defined in a file of the consfig`,
      );
    }
    return this.add(file);
  }

  /**
   * Adds modules named in arguments of properties, with their imports, source maps and a list of how each import
   * resolves, so that a host can build executables from them.
   */
  addModules(names: readonly string[]): void {
    if (names.length === 0) return;
    const listed = Object.fromEntries(names.map((name) => [name, this.#listed(name)]));
    this.#files.set(MODULES, asFile(JSON.stringify(listed)));
  }

  #listed(name: string): ModuleList {
    const file = moduleFile(name, this.#graph.root);
    const formOf = (each: string) => this.#formOf(each);
    try {
      const main = this.add(file);
      const files: Record<string, Record<string, string>> = {};
      const packages: Record<string, string> = {};
      const imported: Record<string, string> = {};
      const assets: Record<string, string> = {};
      const addons: Record<string, string> = {};
      for (const each of reach(file, formOf)) {
        const treePath = this.add(each);
        const form = this.#formOf(each);
        if (!isEngine(each)) {
          this.#refuseUnfit(each, form);
          Object.assign(assets, this.#addAssets(each, form.traits));
        }
        files[treePath] = Object.fromEntries(form.edges.map(([specifier, to]) => [specifier, this.add(to)]));
        for (const found of form.packages) {
          const at = this.#addPackage(this.#packageImport(found, each, form.packages));
          if (at !== undefined) (found.dynamic ? imported : packages)[found.specifier] = at;
        }
        for (const found of form.packages)
          for (const addon of this.#packages.addonsOf(this.#packageImport(found, each, form.packages))) {
            assets[this.#putAsset(addon.file, addon.place)] = addon.place;
            addons[addon.specifier] = addon.place;
          }
        if (form.file.compiled !== undefined && !isEngine(each))
          this.#addMap(treePath, each, form.file.compiled);
      }
      const awaiting = Object.fromEntries(
        [...awaitingIn(file, formOf)].map(([each, first]) => [
          this.add(each),
          first.map((other) => this.add(other)),
        ]),
      );
      return { main, files, packages, imported, awaiting, assets, addons };
    } catch (error) {
      throw new ModuleRefused(name, error, this.#graph.root);
    }
  }

  /** The module as sent: a stand-in has no imports. */
  #formOf(file: string): WireModule {
    const standIn = this.#requested.has(file) ? undefined : standInFor(file);
    return standIn === undefined
      ? wireForm(file, this.#graph)
      : {
          file: asFile(standIn),
          modules: [],
          edges: [],
          first: [],
          packages: [],
          missing: [],
          traits: { files: [], unfit: [] },
        };
  }

  #refuseUnfit(file: string, form: WireModule): void {
    refuseUnfit(form, {
      shown: this.#graph.show(file),
      root: this.#graph.root,
      isInstalled: (found) => installedFile(this.#packageImport(found, file, form.packages)) !== undefined,
    });
  }

  /** Adds the files that a module names; returns their places beside the sources. */
  #addAssets(importer: string, { files }: Traits): Record<string, string> {
    const places: Record<string, string> = {};
    for (const named of files) {
      const at = `${this.#graph.show(importer)}:${named.line}:${named.column}`;
      for (const file of filesNamed(named.path, importer, this.#graph.root, at)) {
        const place = path.join("consfig", path.relative(this.#graph.root, file));
        places[this.#putAsset(file, place)] = place;
      }
    }
    return places;
  }

  #putAsset(file: string, place: string): string {
    const treePath = path.join(ASSETS, place);
    this.#files.set(treePath, asFile(readFileSync(file)));
    this.#assets.add(file);
    return treePath;
  }

  #addMap(treePath: string, file: string, compiled: string): void {
    const map = mapTextIn(compiled);
    if (map === undefined) return;
    const { version, names, mappings } = JSON.parse(map) as Record<string, unknown>;
    const sources = [this.#graph.show(file)];
    this.#files.set(`${treePath}.map`, asFile(JSON.stringify({ version, sources, names, mappings })));
  }

  /** Versions of the files that are in the tree but not in the graph. */
  unloaded(): ReadonlyMap<string, Version> {
    return new Map(
      [...this.#treePaths.keys(), ...this.#assets].flatMap((file) => {
        const version = this.#assets.has(file)
          ? readVersion(file).version
          : this.#graph.modules.has(file)
            ? undefined
            : unloadedVersion(file);
        return version ? [[file, version] as const] : [];
      }),
    );
  }

  #isSource(file: string): boolean {
    return this.#graph.modules.has(file) || file.startsWith(path.join(engineRoot, "lib") + path.sep);
  }

  /** Adds the module `file` and its imports; returns its path in the tree. */
  add(file: string): string {
    const known = this.#treePaths.get(file);
    if (known !== undefined) return known;
    const treePath = this.#treePathOf(file);
    this.#treePaths.set(file, treePath);
    const standIn = this.#standInsEnabled && !this.#requested.has(file) ? standInFor(file) : undefined;
    if (standIn !== undefined) {
      this.#put(treePath, asFile(standIn), file);
      return treePath;
    }
    const { file: content, modules, packages } = wireForm(file, this.#graph);
    this.#put(treePath, content, file);
    for (const module of modules) this.add(module);
    for (const imported of packages) this.#addPackage(this.#packageImport(imported, file, packages));
    return treePath;
  }

  #put(treePath: string, content: TreeFile, file: string): void {
    const existing = this.#files.get(treePath);
    if (existing?.source !== undefined && existing.source !== file && existing.hash !== content.hash) {
      const [one, other] = [existing.source, file].map(this.#graph.show);
      throw new InapplicableProperty(`${one} and ${other} both compile to ${treePath}; rename one of them`);
    }
    if (treePath !== ENGINE_PACKAGE) this.#files.set(treePath, content);
  }

  #treePathOf(file: string): string {
    const inEngine = path.relative(engineRoot, file);
    const inConsfig = path.relative(this.#graph.root, file);
    const isEngine =
      !inEngine.startsWith("..") && (inConsfig.startsWith("..") || inEngine.length <= inConsfig.length);
    if (!isEngine && inConsfig.startsWith("..")) {
      throw new InapplicableProperty(
        `${file} is outside the consfig, so it cannot be sent to a host; move it into ${this.#graph.root}`,
      );
    }
    return asJavaScript(isEngine ? path.join(ENGINE, inEngine) : path.join("consfig", inConsfig));
  }

  #packageImport(
    { specifier, line, dynamic }: Import,
    importer: string,
    all: readonly Import[],
  ): PackageImport {
    const siblings = all.filter((other) => !other.dynamic).map((other) => other.specifier);
    return {
      specifier,
      importer,
      at: `${this.#graph.show(importer)}:${line}`,
      dynamic,
      siblings: siblings.filter((other) => packageName(other) !== packageName(specifier)).sort(),
    };
  }

  #addPackage(imported: PackageImport): string | undefined {
    const ofEngine = imported.importer.startsWith(path.join(engineRoot, "lib") + path.sep);
    return this.#packages.add(imported, ofEngine ? `${ENGINE}/node_modules` : "node_modules");
  }
}
