import { readFileSync } from "node:fs";
import path from "node:path";

/** How a tree of sources is laid out: all that one end of a link writes by name and the other end looks for. */

/** What the tree holds, beside its files. */
export const TREE_RECORD = "tree.json";

export interface TreeRecord {
  readonly tree: string;
  readonly files: readonly { readonly path: string; readonly hash: string }[];
  /** The files to require, for the properties and hops in play to be defined. */
  readonly entries: readonly string[];
}

/** The names of the properties in play: a list of strings. */
export const PROPERTY_NAMES = "properties.json";

/** What is known of the modules that are passed to properties, by name: a `ModuleList` each. */
export const MODULES = "modules.json";

/** This package, in a tree. */
export const ENGINE = "node_modules/consfigurator";

/** The files of this package that are started by name, without their extension. */
export const programs = {
  boot: "lib/agent/host/boot",
  worker: "lib/worker/worker",
  childWorker: "lib/worker/child-worker",
  image: "lib/executable/image",
} as const;

/** Where a program stands in `tree`, as it is on a host. */
export const programIn = (tree: string, program: keyof typeof programs): string =>
  `${tree}/${ENGINE}/${programs[program]}.js`;

/** The tree that this process was started from. */
export const ownTree = (): string => __dirname.slice(0, __dirname.lastIndexOf(`/${ENGINE}/`));

/** The record of `tree`, a directory. */
export const treeRecord = (tree: string): TreeRecord =>
  JSON.parse(readFileSync(path.join(tree, TREE_RECORD), "utf8")) as TreeRecord;

/** One module, and what each of its imports refers to. Everything is named by its place in the tree. */
export interface ModuleList {
  readonly main: string;
  /** Its files and those of the modules that it imports: where each specifier leads. Each may have a `.map` beside it. */
  readonly files: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The npm packages, by specifier: those that are required, and those that are imported by `import()`. */
  readonly packages: Readonly<Record<string, string>>;
  readonly imported: Readonly<Record<string, string>>;
}

/** The module `name`, relative to the consfig's directory, as it came with the tree; undefined when it did not. */
export function moduleIn(tree: string, name: string): ModuleList | undefined {
  const file = path.join(tree, MODULES);
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as Record<string, ModuleList>)[name];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
