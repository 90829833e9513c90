import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { InapplicableProperty } from "../model/errors";

/** Bytes of the files that one literal may name. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * The files that `name` names in the module `importer`: one, or those of a directory. Throws `InapplicableProperty` with
 * the position `at` for one that is not there, is outside the consfig at `root`, or is too large.
 */
export function filesNamed(name: string, importer: string, root: string, at: string): string[] {
  const file = path.resolve(path.dirname(importer), decodeURI(name));
  const refuse = (reason: string): never => {
    throw new InapplicableProperty(`${at}: ${reason}`);
  };
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return refuse(`there is no file '${name}' beside ${path.basename(importer)}`);
  if (!file.startsWith(root + path.sep))
    return refuse(`'${name}' is outside the consfig, so it cannot be sent to a host; move it into ${root}`);
  const files = stat.isDirectory() ? filesBelow(file) : [file];
  const size = files.reduce((sum, each) => sum + statSync(each).size, 0);
  if (size > MAX_BYTES)
    return refuse(
      `'${name}' has ${Math.round(size / 1024 / 1024)} MiB; at most 16 MiB are sent with an executable; put it on the host with file.isCopyOf and name it by an absolute path`,
    );
  return files;
}

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !file.includes("/node_modules/"))
    .sort();
