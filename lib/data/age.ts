import { readFile } from "node:fs/promises";
import { argumentsOf, type DataSource } from "../model/data-source";
import { ConsfigError } from "../model/errors";
import { object } from "../model/schema";
import { fromSiteRoot } from "../model/site";
import { fileBelow, location, modified, named, refuseMissing } from "./_source";

const args = argumentsOf(
  age,
  object({
    location: location(),
    identity: location(),
  }),
);

/**
 * The files of a directory that age(1) encrypts: (`_app`, `token`) is its file `_app/token.age`, decrypted with the
 * identities in the file `identity`, as `age-keygen` writes it. The version is the time of modification. Nothing is asked,
 * unless the identity itself has a passphrase: then use `source.commandOutput` with age. Both paths are relative to the
 * consfig; `~/` is your home.
 *
 * @example registerDataSource(source.age({ location: "secrets", identity: "~/.config/age/key.txt" }))
 */
export function age(options: { readonly location: string; readonly identity: string }): DataSource {
  const name = named("age", args, options, age);
  const root = fromSiteRoot(options.location);
  const identity = fromSiteRoot(options.identity);
  const fileOf = (iden1: string, iden2: string) => fileBelow(root, [iden1, iden2], ".age");
  return {
    name,
    version: (iden1, iden2) => {
      refuseMissing(root, "directory");
      refuseMissing(identity, "file");
      const file = fileOf(iden1, iden2);
      return file === undefined ? undefined : modified(file);
    },
    get: async (iden1, iden2) => decrypted(await readFile(fileOf(iden1, iden2) ?? root), identity),
    hint: (iden1, iden2) => {
      const file = fileOf(iden1, iden2);
      return file && `\`age --encrypt --recipient … --output ${file}\` adds it`;
    },
  };
}

async function decrypted(encrypted: Buffer, identity: string): Promise<Buffer> {
  const { armor, Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  const lines = (await readFile(identity, "utf8")).split("\n").map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.length === 0) throw new ConsfigError(`${identity} has no identity`);
  for (const key of keys) {
    if (!key.startsWith("AGE-SECRET-KEY-"))
      throw new ConsfigError(
        `${identity} has an identity that is not a key of age-keygen; decrypt with \`age\` and source.commandOutput`,
      );
    decrypter.addIdentity(key);
  }
  const isArmoured = encrypted.subarray(0, 11).toString("latin1") === "-----BEGIN ";
  const file = isArmoured ? armor.decode(encrypted.toString("latin1")) : encrypted;
  return Buffer.from(await decrypter.decrypt(file));
}
