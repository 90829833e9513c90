import { readFileSync } from "node:fs";
import path from "node:path";
import { ConsfigError, InapplicableProperty } from "../model/errors";
import { type Build, keepBuild, readBuild } from "../util/build-cache";
import { inCompiler } from "../util/compiler-process";
import { cacheHome } from "../util/package";
import { type Addon, addonsIn } from "./_addons";
import { type PackageImport, packageDirectory } from "./_bundle";
import { requireFrom } from "./_module";
import { packageName } from "./resolve";
import { contentHash, isFile } from "./sources";

/** Increase this when the format of bundles changes. */
const FORMAT = 3;
const directory = path.join(cacheHome, "bundles");
const bundles = new Map<string, string>();

/** The npm packages of a tree: one file per imported subpath and kind of import. */
export class PackageTree {
  readonly #files = new Map<string, string | Buffer>();
  readonly #addons = new Map<string, readonly Addon[]>();
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
    if (!imported.dynamic && isData(imported.specifier)) {
      this.#files.set(
        path.join(below, common),
        `module.exports = ${readFileSync(installed, "utf8").trim()};\n`,
      );
      return path.join(below, common);
    }
    const bundled = imported.dynamic ? common.replace(/(\.c?js|\.json)?$/, ".mjs") : common;
    const directory = path.join(below, name);
    const siblings = imported.siblings.filter((other) => isShared(other, imported.importer, installed));
    const code = bundleOf({ ...imported, siblings }, installed);
    this.#files.set(path.join(below, bundled), code);
    const addons = addonsIn(code);
    this.#addons.set(keyOf(imported), addons);
    for (const { specifier, file } of addons) {
      const main = path.basename(file);
      this.#files.set(path.join(below, specifier, main), readFileSync(file));
      this.#files.set(path.join(below, specifier, "package.json"), `${JSON.stringify({ main })}\n`);
    }
    const subpaths = this.#packages.get(directory) ?? new Map<string, ImportForms>();
    const subpath = `.${imported.specifier.slice(name.length)}`;
    const form = { [imported.dynamic ? "import" : "default"]: `.${bundled.slice(name.length)}` };
    this.#packages.set(directory, subpaths.set(subpath, { ...subpaths.get(subpath), ...form }));
    return path.join(below, bundled);
  }

  /** The native addons of an import that was added, with their places beside the sources of an executable. */
  addonsOf(imported: PackageImport): (Addon & { readonly place: string })[] {
    return (this.#addons.get(keyOf(imported)) ?? []).map((addon) => ({
      ...addon,
      place: path.join("node_modules", addon.specifier, path.basename(addon.file)),
    }));
  }

  /** Paths and contents. Node resolves `require` by path alone, `import()` through a package.json. */
  *files(): Iterable<[string, string | Buffer]> {
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

const keyOf = ({ specifier, importer, dynamic }: PackageImport): string =>
  JSON.stringify([specifier, importer, dynamic]);

const isData = (specifier: string): boolean => specifier.endsWith(".json");

/** The files of one subpath for `import()` and for `require`. */
interface ImportForms {
  readonly import?: string;
  readonly default?: string;
}

/** The file that `specifier` resolves to in `importer`, or the package.json; undefined when not installed. */
export function installedFile({ specifier, importer }: PackageImport): string | undefined {
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

function bundle(imported: PackageImport): Build {
  try {
    return inCompiler(require.resolve("./_bundle.ts"), "bundle", imported) as Build;
  } catch (error) {
    const { name, message } = error as Error;
    throw name === InapplicableProperty.name ? new InapplicableProperty(message, { cause: error }) : error;
  }
}

/** Path of the bundle under node_modules, such that `require(specifier)` finds it. */
export function bundlePath(specifier: string): string {
  if (packageName(specifier) === specifier) return `${specifier}/index.js`;
  return /\.c?js$/.test(specifier) ? specifier : `${specifier}.js`;
}

/** The import that brings in the package containing `file`. */
export function importOf(file: string, imports: Iterable<PackageImport>): PackageImport {
  for (const imported of imports) {
    const installed = installedFile(imported);
    if (installed && packageDirectory(installed) === packageDirectory(file)) return imported;
  }
  throw new ConsfigError(`${file} is not in a package that the consfig imports`);
}
