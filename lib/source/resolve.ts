import { readdirSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import { root as engineRoot } from "../util/package";
import { similar } from "../util/similar";
import { ownFile } from "./register";
import { asJavaScript, isDirectory, isFile } from "./sources";

/** A resolved import: a module of the graph, of the engine, of Node, an npm package, or missing. */
export type Resolved =
  | { readonly kind: "graph" | "engine"; readonly file: string }
  | { readonly kind: "builtin" | "package"; readonly specifier: string }
  | { readonly kind: "missing"; readonly near: string | undefined };

const engine = path.join(engineRoot, "lib") + path.sep;

/** Directory of the built-in properties, which are modules of the graph like the user's own. */
export const builtinProperties = path.join(engineRoot, "properties");

/** Resolves `specifier` in `importer`, a file of the graph. */
export function resolve(specifier: string, importer: string): Resolved {
  if (isRelative(specifier)) return resolveFile(path.resolve(path.dirname(importer), specifier), specifier);
  const own = ownFile(specifier);
  if (own) return classify(own);
  return { kind: isBuiltin(specifier) ? "builtin" : "package", specifier };
}

export const isRelative = (specifier: string): boolean => /^(\.{0,2}\/|\.{1,2}$)/.test(specifier);

function resolveFile(base: string, specifier: string): Resolved {
  const found = candidates(base).find(isFile);
  return found ? classify(found) : { kind: "missing", near: nearest(base, specifier) };
}

/** Files that the path `base` of an import may refer to, in order of preference. */
export function candidates(base: string): string[] {
  const bare = base.replace(/\.js$/, "");
  const exact = /\.(tsx?|json)$/.test(base) ? [base] : [];
  const compiled = bare === base ? [] : [`${bare}.ts`, `${bare}.tsx`, base];
  const added = [".ts", ".tsx", ".js", ".json", "/index.ts", "/index.tsx", "/index.js"].map(
    (end) => base + end,
  );
  return [...exact, ...compiled, ...added];
}

/** True for files of the engine itself. */
export const isEngine = (file: string): boolean => file.startsWith(engine);

const classify = (file: string): Resolved => ({ kind: isEngine(file) ? "engine" : "graph", file });

/** A similar existing module, spelled like `specifier`. */
function nearest(base: string, specifier: string): string | undefined {
  const directory = path.dirname(base);
  const wanted = path.basename(base).replace(/\.(tsx?|js)$/, "");
  if (!isDirectory(directory) || wanted.length < 3) return undefined;
  const names = readdirSync(directory)
    .filter((name) => /\.(tsx?|js|json)$/.test(name) && !name.endsWith(".d.ts"))
    .map((name) => asJavaScript(name).replace(/\.js$/, ""));
  const [best] = similar(names, wanted);
  return best && specifier.slice(0, specifier.lastIndexOf("/") + 1) + best;
}

/** `@scope/name/sub` → `@scope/name`. */
export const packageName = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

/** What to do when `error` says that the npm package of `specifier` is not installed; undefined for any other error. */
export function missingPackage(error: unknown, specifier: string): string | undefined {
  const { code, message } = error as NodeJS.ErrnoException;
  const isMissing = code === "MODULE_NOT_FOUND" && message.startsWith(`Cannot find module '${specifier}'`);
  const name = packageName(specifier);
  return isMissing ? `cannot find the npm package "${name}"; run: npm install ${name}` : undefined;
}
