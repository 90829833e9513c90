import { readFile } from "node:fs/promises";
import { argumentsOf, type DataSource, type Version } from "../model/data-source";
import { either, integer, object, optional, string } from "../model/schema";
import { fromSiteRoot } from "../model/site";
import { isDatum, location, modified, named } from "./_source";

const args = argumentsOf(
  localFile,
  object({
    location: location(),
    iden1: string({ minLength: 1 }),
    iden2: string({ minLength: 1 }),
    version: optional(either(string(), integer())),
  }),
);

/**
 * One file, as the datum (`iden1`, `iden2`). The version is the time of modification, unless one is given. `location` is
 * relative to the consfig; `~/` is your home.
 *
 * @example registerDataSource(source.localFile({ location: "~/keys/app", iden1: "_app", iden2: "key" }))
 */
export function localFile(options: {
  readonly location: string;
  readonly iden1: string;
  readonly iden2: string;
  readonly version?: Version;
}): DataSource {
  const name = named("localFile", args, options, localFile);
  const file = fromSiteRoot(options.location);
  const isIt = isDatum(options);
  return {
    name,
    version: (iden1, iden2) => {
      const time = isIt(iden1, iden2) ? modified(file) : undefined;
      return time === undefined ? undefined : (options.version ?? time);
    },
    get: () => readFile(file),
    file: () => file,
    hint: (iden1, iden2) => (isIt(iden1, iden2) ? `there is no file ${file}` : undefined),
  };
}
