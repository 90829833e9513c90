import path from "node:path";
import { InapplicableProperty } from "../model/errors";

/**
 * The module that `said`, in an application said at `site`, means: from the consfig's directory on, with `/` in front.
 * Throws `InapplicableProperty` for one that is outside of it.
 */
export function moduleFrom(said: string, site: string): string {
  if (said.startsWith("/")) return path.posix.normalize(said);
  const file = site.replace(/(:\d+)+$/, "");
  if (path.isAbsolute(file)) {
    throw new InapplicableProperty(
      `"${said}" is relative to ${file}, which is outside of the consfig; name the module from the consfig's directory on, with / in front`,
    );
  }
  const found = path.posix.join(isTyped(file) ? "" : path.posix.dirname(file), said);
  if (!found.startsWith("..")) return `/${found}`;
  throw new InapplicableProperty(
    `"${said}" is outside of the consfig, so it cannot travel to a host; move it below the consfig's directory`,
  );
}

/** What is typed stands in no directory: it is relative to the consfig's. */
const isTyped = (file: string): boolean => file === "" || /^(prompt|stdin)\b/.test(file);
