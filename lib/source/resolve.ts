import { readdirSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import { root as engineRoot } from "../util/package";
import { similar } from "../util/similar";
import { ownFile } from "./register";
import { asJavaScript, isDirectory, isFile } from "./sources";

/** What an import means: a module of our graph, a part of the engine, one of Node's own, an npm package, or nothing. */
export type Resolved =
  | { readonly kind: "graph" | "engine"; readonly file: string }
  | { readonly kind: "builtin" | "package"; readonly specifier: string }
  | { readonly kind: "missing"; readonly near: string | undefined };

const engine = path.join(engineRoot, "lib") + path.sep;

/** The directory of the properties that come with this package: modules of the graph, as the user's own are. */
export const builtinProperties = path.join(engineRoot, "properties");

/** What `specifier` means in `importer`, a file of the graph. */
export function resolve(specifier: string, importer: string): Resolved {
  if (isRelative(specifier)) return resolveFile(path.resolve(path.dirname(importer), specifier), specifier);
  const own = ownFile(specifier);
  if (own) return placed(own);
  return { kind: isBuiltin(specifier) ? "builtin" : "package", specifier };
}

export const isRelative = (specifier: string): boolean => /^(\.{0,2}\/|\.{1,2}$)/.test(specifier);

function resolveFile(base: string, specifier: string): Resolved {
  const found = candidates(base).find(isFile);
  return found ? placed(found) : { kind: "missing", near: nearest(base, specifier) };
}

/** Where a module said as `base` may be, most wanted first. */
export function candidates(base: string): string[] {
  const bare = base.replace(/\.js$/, "");
  const said = /\.(tsx?|json)$/.test(base) ? [base] : [];
  const written = bare === base ? [] : [`${bare}.ts`, `${bare}.tsx`, base];
  const added = [".ts", ".tsx", ".js", ".json", "/index.ts", "/index.tsx", "/index.js"].map(
    (end) => base + end,
  );
  return [...said, ...written, ...added];
}

/** Whether `file` is of the engine itself. */
export const isEngine = (file: string): boolean => file.startsWith(engine);

const placed = (file: string): Resolved => ({ kind: isEngine(file) ? "engine" : "graph", file });

/** What the author of `specifier` may have meant, written as they wrote it. */
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
