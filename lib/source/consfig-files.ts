/** Files of the consfig that properties bring to hosts. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { InapplicableProperty } from "../model/errors";
import { fromSiteRoot } from "../model/site";

/** What is below a directory of the consfig; `path` is relative to the directory. */
export type ConsfigFile =
  | { readonly path: string; readonly type: "directory" }
  | { readonly path: string; readonly type: "symlink"; readonly to: string }
  | {
      readonly path: string;
      readonly type: "file";
      readonly content: Buffer;
      readonly isExecutable: boolean;
    };

/**
 * Everything below the directory `location` of the consfig, a directory before what is in it. Throws `InapplicableProperty` when
 * it is no directory, when its files have more than `limit` bytes (the message then says what to do `instead`), and for what is
 * neither file, directory nor link.
 */
export function filesOfConsfig(
  location: string,
  { limit, instead }: { readonly limit: number; readonly instead: string },
): ConsfigFile[] {
  const root = fromSiteRoot(location);
  if (!lstatSync(root, { throwIfNoEntry: false })?.isDirectory())
    throw new InapplicableProperty(
      `there is no directory ${location} in the consfig; a path is relative to ${fromSiteRoot(".")}`,
    );
  const names = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  let size = 0;
  return names.map((name) => {
    const file = path.join(root, name);
    const stat = lstatSync(file);
    if (stat.isDirectory()) return { path: name, type: "directory" };
    if (stat.isSymbolicLink()) return { path: name, type: "symlink", to: readlinkSync(file) };
    if (!stat.isFile())
      throw new InapplicableProperty(`${file} is neither a file, a directory nor a link; remove it`);
    size += stat.size;
    if (size > limit)
      throw new InapplicableProperty(
        `${location} has more than ${Math.floor(limit / 1024 / 1024)} MiB, which would travel to the host with each deployment; ${instead}`,
      );
    return { path: name, type: "file", content: readFileSync(file), isExecutable: (stat.mode & 0o100) !== 0 };
  });
}
