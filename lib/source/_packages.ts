import path from "node:path";
import { ConsfigError } from "../model/errors";
import { keepBuild, readBuild } from "../util/build-cache";
import { cacheHome } from "../util/package";
import { bundle, type PackageImport, packageDirectory } from "./_bundle";
import { requireFrom } from "./_module";
import { packageName } from "./_outside";
import { contentHash, isFile } from "./sources";

/** Raise this when bundles are made otherwise. */
const FORMAT = 1;
const directory = path.join(cacheHome, "bundles");
const bundles = new Map<string, string>();

/** The npm packages of a tree: one file for each way in which one is imported. */
export class PackageTree {
  readonly #files = new Map<string, string>();
  readonly #ways = new Map<string, Map<string, ImportForms>>();

  /**
   * Adds what `imported` means, below the node_modules directory `below`, and gives its place. Undefined: it is not
   * installed here, so it is not there either, and the import fails in both places alike.
   */
  add(imported: PackageImport, below: string): string | undefined {
    const installed = installedFile(imported);
    if (installed === undefined) return undefined;
    const name = packageName(imported.specifier);
    const common = placeOfPackage(imported.specifier);
    const place = imported.dynamic ? common.replace(/(\.c?js|\.json)?$/, ".mjs") : common;
    const directory = path.join(below, name);
    const besides = imported.besides.filter((other) => isShared(other, imported.importer, installed));
    this.#files.set(path.join(below, place), bundleOf({ ...imported, besides }, installed));
    const ways = this.#ways.get(directory) ?? new Map<string, ImportForms>();
    const subpath = `.${imported.specifier.slice(name.length)}`;
    const way = { [imported.dynamic ? "import" : "default"]: `.${place.slice(name.length)}` };
    this.#ways.set(directory, ways.set(subpath, { ...ways.get(subpath), ...way }));
    return path.join(below, place);
  }

  /** Places and texts. Plain Node finds what is required by its place; what is imported, through a package.json. */
  *files(): Iterable<[string, string]> {
    yield* this.#files;
    for (const [directory, ways] of this.#ways) {
      if (![...ways.values()].some((way) => way.import)) continue;
      // The order of keys is the order of preference.
      const exports = Object.fromEntries(
        [...ways]
          .sort()
          .map(([subpath, way]) => [
            subpath,
            { ...(way.import && { import: way.import }), default: way.default ?? way.import },
          ]),
      );
      yield [path.join(directory, "package.json"), `${JSON.stringify({ exports })}\n`];
    }
  }
}

/** The files that a part of a package is by `import()` and by `require`. */
interface ImportForms {
  readonly import?: string;
  readonly default?: string;
}

/** The file that `specifier` is in `importer`, or something of that package; undefined when it is not installed. */
function installedFile({ specifier, importer }: PackageImport): string | undefined {
  const { resolve } = requireFrom(importer);
  try {
    return resolve(specifier);
  } catch {
    const places = resolve.paths(specifier) ?? []; // Packages that only `import()` may have do not resolve.
    return places.map((place) => path.join(place, packageName(specifier), "package.json")).find(isFile);
  }
}

/** Whether the package `other` is the very same for `importer` and for the package whose file is `installed`. */
function isShared(other: string, importer: string, installed: string): boolean {
  try {
    return requireFrom(importer).resolve(other) === requireFrom(installed).resolve(other);
  } catch {
    return false;
  }
}

/** As for a process: what was bundled once is not looked at again. */
function bundleOf(imported: PackageImport, installed: string): string {
  const name = JSON.stringify([imported.specifier, installed, imported.dynamic, imported.besides]);
  const known = bundles.get(name);
  if (known !== undefined) return known;
  const version = (require("esbuild/package.json") as { version: string }).version;
  const file = path.join(directory, `${contentHash(`${FORMAT} ${version} ${process.version} ${name}`)}.json`);
  const code = readBuild(file) ?? keepBuild(file, bundle(imported));
  bundles.set(name, code);
  return code;
}

/** Where the bundle of `specifier` stands below a node_modules directory, so that `require(specifier)` finds it. */
export function placeOfPackage(specifier: string): string {
  if (packageName(specifier) === specifier) return `${specifier}/index.js`;
  return /\.(c?js|json)$/.test(specifier) ? specifier : `${specifier}.js`;
}

/** The import by which some module gets the package that has `file`. */
export function importOf(file: string, imports: Iterable<PackageImport>): PackageImport {
  for (const imported of imports) {
    const installed = installedFile(imported);
    if (installed && packageDirectory(installed) === packageDirectory(file)) return imported;
  }
  throw new ConsfigError(`${file} is in no package that the consfig imports`);
}
