import { readFileSync } from "node:fs";
import path from "node:path";
import type { BuildOptions, Metafile } from "esbuild";
import { InapplicableProperty } from "../model/errors";
import type { Build } from "../util/build-cache";
import { prebuiltAddons, withAddons } from "./_addons";
import { requireFrom } from "./_module";
import { packageName } from "./resolve";

/** One import of an npm package, or of a subpath of one. */
export interface PackageImport {
  readonly specifier: string;
  /** The importing file, absolute. */
  readonly importer: string;
  /** The importing file and line, for messages. */
  readonly at: string;
  /** Imported with `import()`, which yields an ES module, even one with top-level await. */
  readonly dynamic: boolean;
  /**
   * Other packages that the same file imports. One that this package depends on is shared, not bundled again: classes
   * and symbols of two copies are not equal.
   */
  readonly siblings: readonly string[];
}

/**
 * Bundles a package and its dependencies into one file: CommonJS, or an ES module for `import()`. Refuses packages that
 * cannot run on a host, naming the package and the importing line.
 */
export function bundle(imported: PackageImport): Build {
  return withoutAddons(imported, imported.siblings);
}

/** Leaves out native packages that are optional dependencies, as if they had failed to install. */
function withoutAddons(imported: PackageImport, excluded: readonly string[]): Build {
  const built = build(imported, excluded);
  const prebuilt = prebuiltAddons(built.inputs.map(packageDirectory));
  if (prebuilt.length > 0) {
    const without = withoutAddons(imported, [...excluded, ...prebuilt.map(({ specifier }) => specifier)]);
    return { ...without, code: withAddons(without.code, prebuilt) };
  }
  const addons = nativePackages(built.inputs).filter((name) => !excluded.includes(name));
  const required = addons.find((name) => !built.inputs.some((input) => isOptional(name, input)));
  if (required !== undefined) throw nativeAddon(imported, required);
  return addons.length === 0 ? built : withoutAddons(imported, [...excluded, ...addons]);
}

function nativeAddon({ specifier, at }: PackageImport, addon: string): InapplicableProperty {
  const own = packageName(specifier);
  const reason = addon === own ? "is a native addon" : `needs the native addon "${addon}"`;
  return new InapplicableProperty(
    `the npm package "${own}", imported at ${at}, ${reason}; only packages of pure JavaScript, and those with prebuilt binaries in packages of their own (napi-rs), can be sent to a host`,
  );
}

/** The addon whose helper, which finds or builds it, is not made to be bundled. */
function addonOfHelper({ specifier, importer }: PackageImport, error: unknown): string | undefined {
  const [first] = (error as { errors?: { location?: { file?: string } }[] }).errors ?? [];
  const { name: helper } = packageJson(packageDirectory(path.join("/", first?.location?.file ?? "")));
  if (helper === undefined || !addonHelpers.test(helper)) return undefined;
  const own = packageName(specifier);
  try {
    const { dependencies = {} } = packageJson(packageDirectory(requireFrom(importer).resolve(specifier)));
    return helper in dependencies ? own : helper;
  } catch {
    return own;
  }
}

function build(imported: PackageImport, excluded: readonly string[]): Build {
  const { specifier, at } = imported;
  try {
    return imported.dynamic
      ? buildModule(imported, excluded)
      : esbuild(imported, excluded, `module.exports = require(${JSON.stringify(specifier)})`).bundle;
  } catch (error) {
    // An addon that was never built is missing on this machine too, so its importer works without it.
    const [, unbuilt] = /Could not resolve "([^"]+\.node)"/.exec(firstMessage(error)) ?? [];
    if (unbuilt !== undefined && !excluded.includes(unbuilt)) return build(imported, [...excluded, unbuilt]);
    const addon = addonOfHelper(imported, error);
    if (addon !== undefined) throw nativeAddon(imported, addon);
    // Pages and the like, beside the helpers that build addons: what needs them is refused below, by its name.
    const [, unknown] = /No loader is configured for "(\.[^"]+)" files/.exec(firstMessage(error)) ?? [];
    if (unknown !== undefined && !emptyFiles.has(unknown)) {
      emptyFiles.add(unknown);
      return build(imported, excluded);
    }
    throw new InapplicableProperty(
      `the npm package "${packageName(specifier)}", imported at ${at}, cannot be sent to a host: ${firstMessage(error)}`,
      { cause: error },
    );
  }
}

/** Like `import()`: an ES module keeps its exports; CommonJS has `module.exports` as `default`, and its keys as names. */
function buildModule(imported: PackageImport, excluded: readonly string[]): Build {
  const from = JSON.stringify(imported.specifier);
  const named = esbuild(imported, excluded, `export * from ${from};`, asModule);
  if (named.format === "cjs") {
    const names = Object.keys(Object(requireFrom(imported.importer)(imported.specifier))).filter(isBindable);
    const contents = `import all from ${from}; export default all; export const { ${names.join(", ")} } = all;`;
    return esbuild(imported, excluded, contents, asModule).bundle;
  }
  try {
    return esbuild(imported, excluded, `export * from ${from}; export { default } from ${from};`, asModule)
      .bundle;
  } catch {
    return named.bundle; // No default export.
  }
}

/** Extensions of files that are left out. */
const emptyFiles = new Set<string>();

type Form = Pick<BuildOptions, "format" | "banner">;
const asModule: Form = {
  format: "esm",
  banner: {
    js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
  },
};

/** True for a name that a declaration may use. */
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

function esbuild(
  { importer }: PackageImport,
  excluded: readonly string[],
  contents: string,
  form: Form = {},
) {
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
    loader: {
      ".node": "empty",
      ...Object.fromEntries([...emptyFiles].map((end) => [end, "empty"] as const)),
    },
    external: ["consfigurator", "consfigurator/*", ...excluded],
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

function firstMessage(error: unknown): string {
  const [first] = (error as { errors?: { text: string }[] }).errors ?? [];
  if (first && /top-level await/i.test(first.text)) return "it uses top-level await";
  return first?.text ?? String(error);
}

interface PackageJson {
  readonly name?: string;
  readonly gypfile?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** Packages that find or build the native addon of a dependent package. */
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

function isOptional(name: string, input: string): boolean {
  const { optionalDependencies = {}, peerDependenciesMeta = {} } = packageJson(packageDirectory(input));
  return name in optionalDependencies || peerDependenciesMeta[name]?.optional === true;
}

/** Directory of the package that contains `file`. */
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
