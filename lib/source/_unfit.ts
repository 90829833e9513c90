import { readFileSync } from "node:fs";
import path from "node:path";
import { InapplicableProperty } from "../model/errors";
import type { Import } from "./_module";
import type { WireModule } from "./_wire-form";
import { packageName } from "./resolve";

/**
 * Throws `InapplicableProperty`, with the line, for the first thing in a module of an executable that would not work on a
 * host. `isInstalled`: whether an import of an npm package can be resolved. An import in a `try` block may fail.
 */
export function refuseUnfit(
  { missing, packages, traits }: WireModule,
  { shown, root, isInstalled }: { shown: string; root: string; isInstalled: (found: Import) => boolean },
): void {
  const complaints = [
    ...missing.filter(({ tried }) => !tried).map((found) => ({ ...found, reason: ofMissing(found) })),
    ...packages
      .filter((found) => !found.tried && !isInstalled(found))
      .map((found) => ({ ...found, reason: ofPackage(found.specifier, root) })),
    ...traits.unfit,
  ].sort((one, other) => one.line - other.line || one.column - other.column);
  const [first] = complaints;
  if (first) throw new InapplicableProperty(`${shown}:${first.line}:${first.column}: ${first.reason}`);
}

function ofMissing({ specifier, near }: WireModule["missing"][number]): string {
  if (/\.[cm][jt]s$/.test(specifier))
    return `cannot load '${specifier}': only .ts, .tsx, .js and .json files can be imported; rename it to ${specifier.replace(/[cm]([jt]s)$/, "$1")}`;
  return `cannot find '${specifier}'${near ? `; did you mean '${near}'?` : ""}`;
}

function ofPackage(specifier: string, root: string): string {
  if (specifier.startsWith("#"))
    return `'${specifier}' is an import of package.json ("imports"), which has no effect here; import it by a relative path`;
  const alias = aliasesOf(root).find((each) => matches(each, specifier));
  if (alias !== undefined)
    return `'${specifier}' is a path alias ("${alias}" in tsconfig.json), which only the type checker knows; import it by a relative path`;
  const name = packageName(specifier);
  return `cannot find the npm package "${name}"; run: npm install ${name}`;
}

/** The keys of `paths` in the tsconfig.json of the consfig. */
function aliasesOf(root: string): string[] {
  try {
    const text = readFileSync(path.join(root, "tsconfig.json"), "utf8");
    const [, paths = ""] = /"paths"\s*:\s*\{([^}]*)\}/.exec(text) ?? [];
    return [...paths.matchAll(/"([^"]+)"\s*:/g)].map(([, key = ""]) => key);
  } catch {
    return [];
  }
}

function matches(alias: string, specifier: string): boolean {
  const [before = "", after] = alias.split("*");
  return after === undefined
    ? specifier === alias
    : specifier.startsWith(before) && specifier.endsWith(after);
}
