import path from "node:path";
import { definedBy } from "../model/registry";
import { requireFrom } from "./_module";
import type { Resolved } from "./resolve";

/** What is not in the graph, of Node, npm or the engine, as `file` gets it. Loaded once in the life of a process. */
export function requireOutside(resolved: Exclude<Resolved, { kind: "missing" }>, file: string): unknown {
  if ("file" in resolved) return definedBy(undefined, () => require(resolved.file));
  try {
    return definedBy(undefined, () => requireFrom(file)(resolved.specifier));
  } catch (error) {
    throw resolved.kind === "package"
      ? packageError(error as NodeJS.ErrnoException, resolved.specifier, file)
      : error;
  }
}

/** Two failures of npm packages in the words of a consfig; others are the package's own. */
function packageError(error: NodeJS.ErrnoException, specifier: string, file: string): unknown {
  const name = packageName(specifier);
  if (error.code === "MODULE_NOT_FOUND" && error.message.startsWith(`Cannot find module '${specifier}'`)) {
    return new PackageError(`cannot find the npm package "${name}"; run: npm install ${name}`, error);
  }
  if (error.code === "ERR_REQUIRE_ASYNC_MODULE") {
    return new PackageError(
      `the npm package "${name}" waits while it loads (top-level await), so ${path.basename(file)} cannot import it; ` +
        `write await import("${specifier}") inside the function that needs it`,
      error,
    );
  }
  return error;
}

/** An npm package that cannot be had. Has the `code` of what Node says. */
export class PackageError extends Error {
  readonly code: string | undefined;

  constructor(message: string, cause: NodeJS.ErrnoException) {
    super(message, { cause });
    this.code = cause.code;
  }
}

/** `@scope/name/sub` is of the package `@scope/name`. */
export const packageName = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
