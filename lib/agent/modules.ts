import { readFileSync } from "node:fs";
import path from "node:path";

/** The place in a tree of what is known of the modules that are said with properties. */
export const MODULES = "modules.json";

/** One such module, and what means what in it. Everything is named by its place in the tree. */
export interface ModuleList {
  readonly main: string;
  /** All files of it, and of the modules that it imports: what their specifiers mean. Each may have a `.map` beside it. */
  readonly files: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The npm packages, by specifier: those that are required, and those that are imported by `import()`. */
  readonly packages: Readonly<Record<string, string>>;
  readonly imported: Readonly<Record<string, string>>;
}

/** The tree that this process was started from, or that its code stands in. */
export const ownTree = (): string => path.resolve(__dirname, "../../../..");

/** The module `name`, from the consfig's directory on, as it came with the tree; undefined when it did not. */
export function moduleIn(tree: string, name: string): ModuleList | undefined {
  const text = orNothing(() => readFileSync(path.join(tree, MODULES), "utf8"));
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, ModuleList>)[name];
}

function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
