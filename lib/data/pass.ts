import path from "node:path";
import { HOSTNAME } from "../model/data-names";
import { argumentsOf, type DataSource } from "../model/data-source";
import { object } from "../model/schema";
import { fromSiteRoot } from "../model/site";
import { gpg } from "./_gpg";
import { withoutLineBreak } from "./_run";
import { fileBelow, location, modified, named, refuseMissing, statOf } from "./_source";

const args = argumentsOf(pass, object({ location: location() }));

/**
 * The entries of pass(1), the password store:
 *
 * - (`web1.example.com`, `/etc/app.key`) is the entry `web1.example.com/etc/app.key`;
 * - (`_app`, `token`) is `_app/token`, or else `app/token`;
 * - (`--user-passwd--web1.example.com`, `root`) is `web1.example.com/root`.
 *
 * The whole entry counts, all its lines, without the last line break; its version is the time of modification. gpg
 * decrypts it when a deployment needs it, which may ask for a passphrase; never for a plan.
 *
 * @example registerDataSource(source.pass())
 */
export function pass(location = "~/.password-store"): DataSource {
  const name = named("pass", args, { location }, pass, [location]);
  const root = fromSiteRoot(location);
  /** The files in which the datum may be, the best one first. */
  const filesFor = (iden1: string, iden2: string): string[] =>
    directoriesFor(iden1).flatMap((directory) => {
      const file = fileBelow(root, [directory, iden2], ".gpg");
      return file === undefined ? [] : [file];
    });
  const fileOf = (iden1: string, iden2: string) =>
    filesFor(iden1, iden2).find((file) => statOf(file)?.isFile());
  return {
    name: location === "~/.password-store" ? "source.pass()" : name,
    asks: true,
    version: (iden1, iden2) => {
      refuseMissing(root, "directory");
      const file = fileOf(iden1, iden2);
      return file === undefined ? undefined : modified(file);
    },
    get: async (iden1, iden2) => withoutLineBreak(await gpg(["--decrypt", "--", fileOf(iden1, iden2) ?? ""])),
    hint: (iden1, iden2) => {
      const [file] = filesFor(iden1, iden2);
      return file === undefined
        ? undefined
        : `\`pass insert ${path.relative(root, file).replace(/\.gpg$/, "")}\` adds it`;
    },
  };
}

/** The directories of the store for a first name. */
function directoriesFor(iden1: string): string[] {
  const host = iden1.replace(/^--user-passwd--/, "");
  if (HOSTNAME.test(host)) return [host];
  if (iden1 === "_") return [""];
  return /^_[^_]/.test(iden1) ? [iden1, iden1.slice(1)] : [];
}
