import path from "node:path";
import { definedBy } from "../model/registry";
import { requireFrom } from "./_module";
import type { Resolved } from "./resolve";

/** Requires a module outside the graph (Node, npm or the engine) as `file` would. Loaded once per process. */
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

/** Rewords two failures of npm packages for consfig authors; others are returned unchanged. */
function packageError(error: NodeJS.ErrnoException, specifier: string, file: string): unknown {
  const name = packageName(specifier);
  if (error.code === "MODULE_NOT_FOUND" && error.message.startsWith(`Cannot find module '${specifier}'`)) {
    return new PackageError(`cannot find the npm package "${name}"; run: npm install ${name}`, error);
  }
  if (error.code === "ERR_REQUIRE_ASYNC_MODULE") {
    return new PackageError(
      `the npm package "${name}" uses top-level await, so ${path.basename(file)} cannot import it statically; ` +
        `write await import("${specifier}") inside the function that needs it`,
      error,
    );
  }
  return error;
}

/** An npm package that cannot be loaded, with the `code` of Node's error. */
export class PackageError extends Error {
  readonly code: string | undefined;

  constructor(message: string, cause: NodeJS.ErrnoException) {
    super(message, { cause });
    this.code = cause.code;
  }
}

/** `@scope/name/sub` → `@scope/name`. */
export const packageName = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
