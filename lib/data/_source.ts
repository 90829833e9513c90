import { type Stats, statSync } from "node:fs";
import path from "node:path";
import { ConsfigError, refuseArguments } from "../model/errors";
import { asCode } from "../model/property";
import { problems, type Schema, string } from "../model/schema";

/** A file or a directory of this machine, relative to the consfig; `~/` is your home. */
export const location = (): Schema<string> => string({ minLength: 1, suggest: "files of the consfig" });

/**
 * Throws `InvalidArguments` at the line that called `caller`, unless `args` fit. Returns the source's name in messages: the
 * call with `params`.
 */
export function named<A>(
  name: string,
  schema: Schema<A>,
  args: A,
  caller: Function,
  params: readonly unknown[] = [args],
): string {
  refuseArguments(`source.${name}`, problems(schema, args), caller);
  return asCode(`source.${name}`, params);
}

/** Below `root`: the file of a datum, whose names may have slashes; undefined when they lead out of it. */
export function fileBelow(root: string, names: readonly string[], extension = ""): string | undefined {
  const pieces = names.flatMap((each) => each.split("/")).filter(Boolean);
  return pieces.includes("..") ? undefined : `${path.join(root, ...pieces)}${extension}`;
}

/** Whether two names are those of the only datum of a source. */
export const isDatum =
  (only: { readonly iden1: string; readonly iden2: string }) =>
  (iden1: string, iden2: string): boolean =>
    iden1 === only.iden1 && iden2 === only.iden2;

/** The status of `file`, links followed; undefined when there is none. */
export const statOf = (file: string): Stats | undefined => statSync(file, { throwIfNoEntry: false });

/** The time of modification in seconds since 1970, as a version; undefined unless `file` is a regular file. */
export function modified(file: string): number | undefined {
  const stat = statOf(file);
  return stat?.isFile() ? stat.mtimeMs / 1000 : undefined;
}

/**
 * Throws `ConsfigError` unless `location` is of the wanted type: a source that is not there is said once, not for each datum.
 */
export function refuseMissing(location: string, type: "file" | "directory"): void {
  const stat = statOf(location);
  const fits = type === "file" ? stat?.isFile() : stat?.isDirectory();
  if (!fits)
    throw new ConsfigError(stat ? `${location} is not a ${type}` : `there is no ${type} ${location}`);
}
