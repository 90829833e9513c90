import path from "node:path";
import { hops } from "../connection/hop";
import { InapplicableProperty } from "../errors";
import { properties } from "../property";
import type { PackageImport } from "./_bundle";
import type { ModuleGraph } from "./_graph";
import type { Import } from "./_module";
import { packageName } from "./_outside";
import { importOf, PackageTree } from "./_packages";
import { asJavaScript, contentHash } from "./_sources";
import { standInFor } from "./_standIns";
import { asFile, type TreeFile, travellingForm } from "./_travelling";
import { root as engineRoot } from "./register";

/** Everything that must be on a host so that its agent can apply certain properties. */
export interface Manifest {
  /** Of all that follows. */
  readonly hash: string;
  /** Sorted by their places in the tree. */
  readonly files: readonly ManifestFile[];
  /** Places in the tree of what has to be required, so that the properties are defined. */
  readonly entries: readonly string[];
}

export interface ManifestFile {
  readonly path: string;
  /** SHA-256 of the content. */
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
}

export interface Tree {
  readonly manifest: Manifest;
  readonly files: ReadonlyMap<string, TreeFile>;
}

/** What runs on the host loads this; its imports travel. */
const worker = path.join(engineRoot, "lib/agent/worker.ts");
const engineVersion = (require(path.join(engineRoot, "package.json")) as { version: string }).version;

/** What a tree is for, by name. */
export interface Wanted {
  readonly properties: readonly string[];
  readonly hops: readonly string[];
}

/** The tree that `wanted` needs. Refuses, with `InapplicableProperty`, what cannot travel. */
export function treeFor(wanted: Wanted, graph: ModuleGraph): Tree {
  const closure = new Closure(graph);
  closure.add(worker);
  closure.standInFromHere();
  const places = [
    ...wanted.properties.map((name) => closure.addProperty(name)),
    ...wanted.hops.map((name) => closure.addHop(name)),
  ];
  const entries = [...new Set(places)].sort();
  const files = new Map([...closure.files()].sort(([one], [other]) => (one < other ? -1 : 1)));
  const listed = [...files].map(([place, { hash, content }]) => ({
    path: place,
    hash,
    size: content.length,
  }));
  const hash = contentHash(JSON.stringify([listed.map((file) => [file.path, file.hash]), entries]));
  return { manifest: { hash, files: listed, entries }, files };
}

/** Modules, and all that they import. */
class Closure {
  readonly #graph: ModuleGraph;
  readonly #files = new Map<string, TreeFile>();
  readonly #packages = new PackageTree();
  readonly #placed = new Map<string, string>();
  #standingIn = false;

  constructor(graph: ModuleGraph) {
    this.#graph = graph;
    this.#files.set("package.json", asFile('{"type":"commonjs"}\n'));
    const own = { name: "consfigurator", version: engineVersion, main: "lib/index.js" };
    this.#files.set("node_modules/consfigurator/package.json", asFile(`${JSON.stringify(own)}\n`));
  }

  *files(): Iterable<[string, TreeFile]> {
    yield* this.#files;
    for (const [place, text] of this.#packages.files()) yield [place, asFile(text)];
  }

  /** What is added from now on gets a stand-in for what is of no use on a host. */
  standInFromHere(): void {
    this.#standingIn = true;
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

  #isSource(file: string): boolean {
    return this.#graph.modules.has(file) || file.startsWith(path.join(engineRoot, "lib") + path.sep);
  }

  /** Adds the module `file` and its imports; gives its place. */
  add(file: string): string {
    const known = this.#placed.get(file);
    if (known !== undefined) return known;
    const place = this.#placeOf(file);
    this.#placed.set(file, place);
    const standIn = this.#standingIn ? standInFor(file) : undefined;
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
    if (place !== "node_modules/consfigurator/package.json") this.#files.set(place, content);
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
    return asJavaScript(
      isEngine ? path.join("node_modules/consfigurator", inEngine) : path.join("consfig", inConsfig),
    );
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
    return this.#packages.add(
      imported,
      ofEngine ? "node_modules/consfigurator/node_modules" : "node_modules",
    );
  }
}
