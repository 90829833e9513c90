import path from "node:path";
import { ConsfigError } from "../model/errors";
import { keepBuild, readBuild } from "../util/build-cache";
import { cacheHome } from "../util/package";
import { bundle, type PackageImport, packageDirectory } from "./_bundle";
import { requireFrom } from "./_module";
import { packageName } from "./_outside";
import { contentHash, isFile } from "./sources";

/** Increase this when the format of bundles changes. */
const FORMAT = 1;
const directory = path.join(cacheHome, "bundles");
const bundles = new Map<string, string>();

/** The npm packages of a tree: one file per imported subpath and kind of import. */
export class PackageTree {
  readonly #files = new Map<string, string>();
  readonly #packages = new Map<string, Map<string, ImportForms>>();

  /**
   * Adds the bundle of `imported` under the node_modules directory `below`; returns its path. Undefined when the package
   * is not installed on the controller: the import then fails on the host as it does here.
   */
  add(imported: PackageImport, below: string): string | undefined {
    const installed = installedFile(imported);
    if (installed === undefined) return undefined;
    const name = packageName(imported.specifier);
    const common = bundlePath(imported.specifier);
    const bundled = imported.dynamic ? common.replace(/(\.c?js|\.json)?$/, ".mjs") : common;
    const directory = path.join(below, name);
    const siblings = imported.siblings.filter((other) => isShared(other, imported.importer, installed));
    this.#files.set(path.join(below, bundled), bundleOf({ ...imported, siblings }, installed));
    const subpaths = this.#packages.get(directory) ?? new Map<string, ImportForms>();
    const subpath = `.${imported.specifier.slice(name.length)}`;
    const form = { [imported.dynamic ? "import" : "default"]: `.${bundled.slice(name.length)}` };
    this.#packages.set(directory, subpaths.set(subpath, { ...subpaths.get(subpath), ...form }));
    return path.join(below, bundled);
  }

  /** Paths and contents. Node resolves `require` by path alone, `import()` through a package.json. */
  *files(): Iterable<[string, string]> {
    yield* this.#files;
    for (const [directory, subpaths] of this.#packages) {
      if (![...subpaths.values()].some((forms) => forms.import)) continue;
      // The order of keys is the order of preference.
      const exports = Object.fromEntries(
        [...subpaths]
          .sort()
          .map(([subpath, forms]) => [
            subpath,
            { ...(forms.import && { import: forms.import }), default: forms.default ?? forms.import },
          ]),
      );
      yield [path.join(directory, "package.json"), `${JSON.stringify({ exports })}\n`];
    }
  }
}

/** The files of one subpath for `import()` and for `require`. */
interface ImportForms {
  readonly import?: string;
  readonly default?: string;
}

/** The file that `specifier` resolves to in `importer`, or the package.json; undefined when not installed. */
function installedFile({ specifier, importer }: PackageImport): string | undefined {
  const { resolve } = requireFrom(importer);
  try {
    return resolve(specifier);
  } catch {
    const directories = resolve.paths(specifier) ?? []; // Packages only for `import()` do not resolve.
    return directories.map((each) => path.join(each, packageName(specifier), "package.json")).find(isFile);
  }
}

/** True when `importer` and the package with the file `installed` resolve `other` to the same file. */
function isShared(other: string, importer: string, installed: string): boolean {
  try {
    return requireFrom(importer).resolve(other) === requireFrom(installed).resolve(other);
  } catch {
    return false;
  }
}

/** Bundled once per process: later changes to the installed package are not noticed. */
function bundleOf(imported: PackageImport, installed: string): string {
  const name = JSON.stringify([imported.specifier, installed, imported.dynamic, imported.siblings]);
  const known = bundles.get(name);
  if (known !== undefined) return known;
  const version = (require("esbuild/package.json") as { version: string }).version;
  const file = path.join(directory, `${contentHash(`${FORMAT} ${version} ${process.version} ${name}`)}.json`);
  const code = readBuild(file) ?? keepBuild(file, bundle(imported));
  bundles.set(name, code);
  return code;
}

/** Path of the bundle under node_modules, such that `require(specifier)` finds it. */
export function bundlePath(specifier: string): string {
  if (packageName(specifier) === specifier) return `${specifier}/index.js`;
  return /\.(c?js|json)$/.test(specifier) ? specifier : `${specifier}.js`;
}

/** The import that brings in the package containing `file`. */
export function importOf(file: string, imports: Iterable<PackageImport>): PackageImport {
  for (const imported of imports) {
    const installed = installedFile(imported);
    if (installed && packageDirectory(installed) === packageDirectory(file)) return imported;
  }
  throw new ConsfigError(`${file} is not in a package that the consfig imports`);
}
