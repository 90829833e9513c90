import { readFileSync } from "node:fs";
import path from "node:path";
import type { BuildOptions, Metafile } from "esbuild";
import { InapplicableProperty } from "../model/errors";
import type { Build } from "../util/build-cache";
import { requireFrom } from "./_module";
import { packageName } from "./_outside";

/** An npm package, or a part of one, as some module imports it. */
export interface PackageImport {
  readonly specifier: string;
  /** The file that imports it, absolute. */
  readonly importer: string;
  /** That file and the line, for people. */
  readonly at: string;
  /** Imported by `import()`, which gives an ES module, even one that waits while it loads. */
  readonly dynamic: boolean;
  /**
   * Packages that the same file imports besides: where this one depends on such a one, they share it. A class, or a
   * symbol, of two copies would not be the same.
   */
  readonly besides: readonly string[];
}

/**
 * Bundles a package with all it depends on, in one file: CommonJS, or an ES module for `import()`. Refuses what cannot travel, naming package and importing
 * line.
 */
export function bundle(imported: PackageImport): Build {
  return withoutAddons(imported, imported.besides);
}

/** Native packages that are optional to the package that wants them are left out, as if they had not installed. */
function withoutAddons(imported: PackageImport, left: readonly string[]): Build {
  const built = build(imported, left);
  const addons = nativePackages(built.inputs).filter((name) => !left.includes(name));
  const needed = addons.find((name) => !built.inputs.some((input) => isOptional(name, input)));
  if (needed !== undefined) {
    const own = packageName(imported.specifier);
    const whose = needed === own ? "is a native addon" : `needs the native addon "${needed}"`;
    throw new InapplicableProperty(
      `the npm package "${own}", imported at ${imported.at}, ${whose}; only packages of pure JavaScript can travel to a host`,
    );
  }
  return addons.length === 0 ? built : withoutAddons(imported, [...left, ...addons]);
}

function build(imported: PackageImport, left: readonly string[]): Build {
  const { specifier, at } = imported;
  try {
    return imported.dynamic
      ? buildModule(imported, left)
      : esbuild(imported, left, `module.exports = require(${JSON.stringify(specifier)})`).bundle;
  } catch (error) {
    // An addon that was never built is missing here too, and whoever asks for it gets along without.
    const [, unbuilt] = /Could not resolve "([^"]+\.node)"/.exec(firstComplaint(error)) ?? [];
    if (unbuilt !== undefined && !left.includes(unbuilt)) return build(imported, [...left, unbuilt]);
    throw new InapplicableProperty(
      `the npm package "${packageName(specifier)}", imported at ${at}, cannot travel to a host: ${firstComplaint(error)}`,
      { cause: error },
    );
  }
}

/** What `import()` gives: of an ES module its exports, of CommonJS `module.exports` as `default`, and its keys. */
function buildModule(imported: PackageImport, left: readonly string[]): Build {
  const from = JSON.stringify(imported.specifier);
  const named = esbuild(imported, left, `export * from ${from};`, asModule);
  if (named.format === "cjs") {
    const names = Object.keys(Object(requireFrom(imported.importer)(imported.specifier))).filter(isBindable);
    const contents = `import all from ${from}; export default all; export const { ${names.join(", ")} } = all;`;
    return esbuild(imported, left, contents, asModule).bundle;
  }
  try {
    return esbuild(imported, left, `export * from ${from}; export { default } from ${from};`, asModule)
      .bundle;
  } catch {
    return named.bundle; // It has no default.
  }
}

type Form = Pick<BuildOptions, "format" | "banner">;
const asModule: Form = {
  format: "esm",
  banner: {
    js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
  },
};

/** Names that a declaration may have. */
const isBindable = (name: string): boolean => {
  try {
    return (
      name !== "default" &&
      name !== "__esModule" &&
      Function(`"use strict"; const { ${name} } = {};`) !== undefined
    );
  } catch {
    return false;
  }
};

function esbuild({ importer }: PackageImport, left: readonly string[], contents: string, form: Form = {}) {
  const { buildSync } = require("esbuild") as typeof import("esbuild");
  const { outputFiles, metafile } = buildSync({
    stdin: { contents, resolveDir: path.dirname(importer) },
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
    external: ["consfigurator", "consfigurator/*", ...left],
    absWorkingDir: "/",
    logLevel: "silent",
    ...form,
  });
  const inputs = Object.keys(metafile.inputs).filter((input) => input !== "<stdin>");
  const bundle = { inputs: inputs.map((input) => path.join("/", input)), code: outputFiles?.[0]?.text ?? "" };
  return { bundle, format: formatOf(metafile) };
}

function formatOf({ inputs }: Metafile): "cjs" | "esm" | undefined {
  const entry = inputs["<stdin>"]?.imports[0]?.path;
  return entry === undefined ? undefined : inputs[entry]?.format;
}

function firstComplaint(error: unknown): string {
  const [first] = (error as { errors?: { text: string }[] }).errors ?? [];
  if (first && /top-level await/i.test(first.text)) return "it waits while it loads (top-level await)";
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

function nativePackages(inputs: readonly string[]): string[] {
  const directories = new Set(inputs.map(packageDirectory));
  return [...directories].flatMap((found) => {
    const { name, gypfile, dependencies = {} } = packageJson(found);
    const native =
      gypfile === true ||
      inputs.some((input) => input.endsWith(".node") && packageDirectory(input) === found) ||
      Object.keys(dependencies).some((dependency) => addonHelpers.test(dependency));
    return native && name !== undefined ? [name] : [];
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
