import { readFileSync } from "node:fs";
import path from "node:path";

/** The layout of a source tree: the file names that the controller writes and the host looks up. */

/** The file with the tree's own record. */
export const TREE_RECORD = "tree.json";

export interface TreeRecord {
  readonly tree: string;
  readonly files: readonly { readonly path: string; readonly hash: string }[];
  /** The files to require: they define the properties and hops of the tree. */
  readonly entries: readonly string[];
}

/** The names of the tree's properties: a list of strings. */
export const PROPERTY_NAMES = "properties.json";

/** The modules that are arguments of properties: a `ModuleList` by module name. */
export const MODULES = "modules.json";

/** The path of this package in a tree. */
export const ENGINE = "node_modules/consfigurator";

/** The entry files of this package, without extension. */
export const programs = {
  boot: "lib/agent/host/boot",
  worker: "lib/worker/worker",
  childWorker: "lib/worker/child-worker",
  image: "lib/executable/image",
} as const;

/** The path of a program in `tree` on a host. */
export const programIn = (tree: string, program: keyof typeof programs): string =>
  `${tree}/${ENGINE}/${programs[program]}.js`;

/** The tree that this process was started from. */
export const ownTree = (): string => __dirname.slice(0, __dirname.lastIndexOf(`/${ENGINE}/`));

/** The record of `tree`, a directory. */
export const treeRecord = (tree: string): TreeRecord =>
  JSON.parse(readFileSync(path.join(tree, TREE_RECORD), "utf8")) as TreeRecord;

/** A module and the targets of its imports. All files are given as paths in the tree. */
export interface ModuleList {
  readonly main: string;
  /** The module's files, imports included, each with the targets of its specifiers. A file may have a `.map`. */
  readonly files: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** npm packages by specifier: those loaded with `require()`, and those loaded with `import()`. */
  readonly packages: Readonly<Record<string, string>>;
  readonly imported: Readonly<Record<string, string>>;
  /** Those of its files that wait while they are loaded, for themselves or an import: each with what it imports first. */
  readonly awaiting: Readonly<Record<string, readonly string[]>>;
  /** The files that it reads, below `ASSETS`, each with its place beside the sources. */
  readonly assets: Readonly<Record<string, string>>;
  /** Native addons by the specifier that loads them: places among the assets. */
  readonly addons: Readonly<Record<string, string>>;
}

/** The directory of a tree with the files that modules read at run time. */
export const ASSETS = "assets";

/** The module `name`, relative to the consfig's directory; undefined when `tree` does not contain it. */
export function moduleIn(tree: string, name: string): ModuleList | undefined {
  const file = path.join(tree, MODULES);
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as Record<string, ModuleList>)[name];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
