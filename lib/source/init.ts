import { existsSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ConsfigError } from "../model/errors";
import { root as engineRoot } from "../util/package";
import { templateFor } from "./_template";

/**
 * Creates a working consfig in `directory`, which is created if needed, and links this package into its node_modules so
 * that editors find the types. Returns the files written, relative to `directory`. Throws, and writes nothing, when one
 * of them exists already.
 */
export function initConsfig(directory: string): string[] {
  const root = path.resolve(directory);
  const template = templateFor(root, engineRoot);
  const names = Object.keys(template);
  const existing = names.filter((name) => existsSync(path.join(root, name)));
  if (existing.length > 0) {
    throw new ConsfigError(
      `${root} already contains ${listed(existing)}; nothing was written. Choose another directory, or move ${existing.length > 1 ? "them" : "it"} away`,
    );
  }
  for (const [name, text] of Object.entries(template)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text, { flag: "wx" });
  }
  linkEngine(path.join(root, "node_modules", "consfigurator"));
  return names;
}

const listed = (names: readonly string[]): string =>
  names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : `${names[0]}`;

function linkEngine(link: string): void {
  if (lstatSync(link, { throwIfNoEntry: false })) return;
  mkdirSync(path.dirname(link), { recursive: true });
  symlinkSync(engineRoot, link, "dir");
}
