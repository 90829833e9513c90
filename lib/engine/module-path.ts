import path from "node:path";
import { InapplicableProperty } from "../model/errors";

/**
 * Resolves `module`, in an application at `site`, to a path relative to the consfig's directory, with `/` in front. Throws
 * `InapplicableProperty` for a module outside it.
 */
export function moduleFrom(module: string, site: string): string {
  if (module.startsWith("/")) return path.posix.normalize(module);
  const file = site.replace(/(:\d+)+$/, "");
  if (path.isAbsolute(file)) {
    throw new InapplicableProperty(
      `"${module}" is relative to ${file}, which is outside the consfig; write its path from the consfig's directory, starting with /`,
    );
  }
  const found = path.posix.join(isTyped(file) ? "" : path.posix.dirname(file), module);
  if (!found.startsWith("..")) return `/${found}`;
  throw new InapplicableProperty(
    `"${module}" is outside the consfig, so it cannot be sent to a host; move it into the consfig's directory`,
  );
}

/** Typed input has no directory: its modules are relative to the consfig's. */
const isTyped = (file: string): boolean => file === "" || /^(prompt|stdin)\b/.test(file);
