import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ConsfigError, InapplicableProperty } from "../errors";
import { packageName } from "./_evaluation";
import { requireFrom } from "./_module";
import { contentHash, stampOf } from "./_sources";
import { cacheHome } from "./register";

/** An npm package, or a part of one, as some module imports it. */
export interface PackageImport {
  readonly specifier: string;
  /** The file that imports it, absolute. */
  readonly importer: string;
  /** That file and the line, for people. */
  readonly at: string;
  /** Imported by `import()`, so that names have to be seen without running it. */
  readonly dynamic: boolean;
}

/** The bundle of a package as it is kept, with what it was made from. */
interface Kept {
  readonly inputs: readonly (readonly [file: string, stamp: string])[];
  readonly code: string;
}

/** Raise this when bundles are made otherwise. */
const FORMAT = 1;
const directory = path.join(cacheHome, "bundles");
const bundles = new Map<string, string>();

/** The file that `specifier` is in `importer`; undefined when it is not installed. */
export function installedFile(specifier: string, importer: string): string | undefined {
  try {
    return requireFrom(importer).resolve(specifier);
  } catch {
    return undefined;
  }
}

/**
 * One file of CommonJS that is the package with all it depends on. As for a process: what was bundled once is not
 * looked at again. Refuses what cannot travel, naming package and importing line.
 */
export function bundleOf(imported: PackageImport, installed: string): string {
  const name = `${installed} ${imported.dynamic}`;
  const known = bundles.get(name);
  if (known !== undefined) return known;
  const version = (require("esbuild/package.json") as { version: string }).version;
  const key = JSON.stringify([
    FORMAT,
    version,
    process.version,
    imported.specifier,
    installed,
    imported.dynamic,
  ]);
  const file = path.join(directory, `${contentHash(key)}.json`);
  const kept = readKept(file) ?? keep(file, bundle(imported));
  bundles.set(name, kept.code);
  return kept.code;
}

function readKept(file: string): Kept | undefined {
  try {
    const kept = JSON.parse(readFileSync(file, "utf8")) as Kept;
    return kept.inputs.every(([input, stamp]) => stampOf(input) === stamp) ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** A cache that cannot be written costs time, never the work. */
function keep(file: string, kept: Kept): Kept {
  const temporary = `${file}.${process.pid}`;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(temporary, JSON.stringify(kept), { mode: 0o600 });
    renameSync(temporary, file);
  } catch {}
  return kept;
}

function bundle(imported: PackageImport): Kept {
  const { inputs, code } = pureBundle(imported, []);
  const stamps = inputs.map((input) => [input, stampOf(input) ?? ""] as const);
  return { inputs: stamps, code: imported.dynamic ? code + namesFor(imported) : code };
}

/** Native packages that are optional to the package that wants them are left out, as if they had not installed. */
function pureBundle(imported: PackageImport, without: readonly string[]): { inputs: string[]; code: string } {
  const built = build(imported, without);
  const natives = nativePackages(built.inputs).filter(({ name }) => !without.includes(name));
  const needed = natives.find(({ name }) => !built.inputs.some((input) => isOptional(name, input)));
  if (needed) {
    const { specifier, at } = imported;
    const own = packageName(specifier);
    const whose = needed.name === own ? "is a native addon" : `needs the native addon "${needed.name}"`;
    throw new InapplicableProperty(
      `the npm package "${own}", imported at ${at}, ${whose}; only packages of pure JavaScript can travel to a host`,
    );
  }
  if (natives.length === 0) return built;
  return pureBundle(imported, [...without, ...natives.map(({ name }) => name)]);
}

function build({ specifier, importer, at }: PackageImport, without: readonly string[]) {
  const { buildSync } = require("esbuild") as typeof import("esbuild");
  try {
    const { outputFiles, metafile } = buildSync({
      stdin: {
        contents: `module.exports = require(${JSON.stringify(specifier)})`,
        resolveDir: path.dirname(importer),
      },
      bundle: true,
      write: false,
      metafile: true,
      platform: "node",
      target: "node22",
      format: "cjs",
      minify: true,
      keepNames: true,
      legalComments: "none",
      loader: { ".node": "empty" },
      external: ["consfigurator", "consfigurator/*", ...without],
      absWorkingDir: "/",
      logLevel: "silent",
    });
    const inputs = Object.keys(metafile.inputs).filter((input) => input !== "<stdin>");
    return { inputs: inputs.map((input) => path.join("/", input)), code: outputFiles[0]?.text ?? "" };
  } catch (error) {
    throw new InapplicableProperty(
      `the npm package "${packageName(specifier)}", imported at ${at}, cannot travel to a host: ${firstComplaint(error)}`,
      { cause: error },
    );
  }
}

function firstComplaint(error: unknown): string {
  const [first] = (error as { errors?: { text: string }[] }).errors ?? [];
  if (first?.text.includes("Top-level await")) return "it waits while it loads (top-level await)";
  return first?.text ?? String(error);
}

interface PackageJson {
  readonly name?: string;
  readonly gypfile?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** What finds or builds the addon of a package that depends on it. */
const addonHelpers =
  /^(bindings|nan|node-addon-api|node-gyp-build.*|node-pre-gyp|@mapbox\/node-pre-gyp|prebuild-install)$/;

function nativePackages(inputs: readonly string[]): { readonly name: string }[] {
  const directories = new Set(inputs.map(packageDirectory));
  return [...directories].flatMap((found) => {
    const { name, gypfile, dependencies = {} } = packageJson(found);
    const native =
      gypfile === true ||
      inputs.some((input) => input.endsWith(".node") && packageDirectory(input) === found) ||
      Object.keys(dependencies).some((dependency) => addonHelpers.test(dependency));
    return native && name ? [{ name }] : [];
  });
}

const isOptional = (name: string, input: string): boolean =>
  name in (packageJson(packageDirectory(input)).optionalDependencies ?? {});

/** The directory of the package that `file` belongs to. */
export function packageDirectory(file: string): string {
  for (let directory = path.dirname(file); ; directory = path.dirname(directory)) {
    if (packageJson(directory).name !== undefined || directory === path.dirname(directory)) return directory;
  }
}

const packageJsons = new Map<string, PackageJson>();

function packageJson(directory: string): PackageJson {
  const known = packageJsons.get(directory) ?? readPackageJson(path.join(directory, "package.json"));
  packageJsons.set(directory, known);
  return known;
}

function readPackageJson(file: string): PackageJson {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as PackageJson;
  } catch {
    return {};
  }
}

/** Node finds the names in `import()` of CommonJS by reading it, and a minified bundle says none. */
function namesFor({ specifier, importer }: PackageImport): string {
  const names = Object.keys(requireFrom(importer)(specifier) as object).filter((name) =>
    /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name),
  );
  return `\n0 && (module.exports = { ${names.join(", ")} });\n`;
}

/** Where the bundle of `specifier` stands below a node_modules directory, so that `require(specifier)` finds it. */
export function placeOfPackage(specifier: string): string {
  if (packageName(specifier) === specifier) return `${specifier}/index.js`;
  return /\.(c?js|json)$/.test(specifier) ? specifier : `${specifier}.js`;
}

/** The import by which some module gets the package that has `file`. */
export function importOf(file: string, imports: Iterable<PackageImport>): PackageImport {
  for (const imported of imports) {
    const installed = installedFile(imported.specifier, imported.importer);
    if (installed && packageDirectory(installed) === packageDirectory(file)) return imported;
  }
  throw new ConsfigError(`${file} is in no package that the consfig imports`);
}
