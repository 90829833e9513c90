import { readFile } from "node:fs/promises";
import { argumentsOf, type DataSource } from "../model/data-source";
import { object } from "../model/schema";
import { fromSiteRoot } from "../model/site";
import { fileBelow, location, modified, named, refuseMissing } from "./_source";

const args = argumentsOf(filesTree, object({ location: location() }));

/**
 * The files of a directory: (`web1.example.com`, `/etc/app.key`) is its file `web1.example.com/etc/app.key`. The version is
 * the time of modification. `location` is relative to the consfig; `~/` is your home.
 *
 * @example registerDataSource(source.filesTree("data"))
 */
export function filesTree(location: string): DataSource {
  const name = named("filesTree", args, { location }, filesTree, [location]);
  const root = fromSiteRoot(location);
  const fileOf = (iden1: string, iden2: string) => fileBelow(root, [iden1, iden2]);
  return {
    name,
    version: (iden1, iden2) => {
      refuseMissing(root, "directory");
      const file = fileOf(iden1, iden2);
      return file === undefined ? undefined : modified(file);
    },
    get: (iden1, iden2) => readFile(fileOf(iden1, iden2) ?? root),
    file: fileOf,
    hint: (iden1, iden2) => `put it into ${fileOf(iden1, iden2) ?? root}`,
  };
}
