import path from "node:path";
import { definedBy } from "../model/registry";
import { requireFrom } from "./_module";
import { missingPackage, packageName, type Resolved } from "./resolve";

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
  const missing = missingPackage(error, specifier);
  if (missing !== undefined) return new PackageError(missing, error);
  if (error.code === "ERR_REQUIRE_ASYNC_MODULE") {
    return new PackageError(
      `the npm package "${packageName(specifier)}" uses top-level await, so ${path.basename(file)} cannot import it statically; ` +
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
