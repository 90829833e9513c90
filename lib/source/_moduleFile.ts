/** Modules of the consfig that arguments of properties name. */
import path from "node:path";
import { InapplicableProperty } from "../model/errors";
import { candidates, resolve } from "./resolve";
import { isFile } from "./sources";

/** The file of the module `name` in the consfig at `root`. */
export function moduleFile(name: string, root: string): string {
  const base = path.join(root, name);
  const found = candidates(base).find(isFile);
  if (found !== undefined) return found;
  const resolved = resolve(base, path.join(root, "consfig"));
  const hint =
    resolved.kind === "missing" && resolved.near
      ? `; did you mean "${resolved.near.slice(root.length)}"?`
      : "";
  throw new ModuleRefused(name, new Error(`there is no module "${name}" in the consfig${hint}`));
}

/** A module named in the arguments of a property cannot be sent to a host. */
export class ModuleRefused extends InapplicableProperty {
  constructor(
    readonly module: string,
    cause: unknown,
    root?: string,
  ) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super(root === undefined ? message : message.replaceAll(`${root}${path.sep}`, ""), { cause });
  }
}
