import { argumentsOf, type DataSource } from "../model/data-source";
import { ConsfigError } from "../model/errors";
import { object } from "../model/schema";
import { fromSiteRoot } from "../model/site";
import { gpg } from "./_gpg";
import { location, modified, named, refuseMissing } from "./_source";

const args = argumentsOf(gpgPublicKeys, object({ keyring: location() }));

/**
 * The public keys of a gpg keyring file: (`--pgp-pubkey`, FINGERPRINT) is that key, in ASCII armour and without
 * signatures of others. The version is the time of modification of the keyring.
 *
 * @example registerDataSource(source.gpgPublicKeys("keys.gpg"))
 */
export function gpgPublicKeys(keyring: string): DataSource {
  const name = named("gpgPublicKeys", args, { keyring }, gpgPublicKeys, [keyring]);
  const file = fromSiteRoot(keyring);
  const own = ["--no-default-keyring", "--keyring", file];
  let known:
    | { readonly at: number | undefined; readonly fingerprints: Promise<ReadonlySet<string>> }
    | undefined;
  const fingerprints = (): Promise<ReadonlySet<string>> => {
    const at = modified(file);
    if (known && known.at === at) return known.fingerprints;
    const found = fingerprintsIn(own);
    known = { at, fingerprints: found };
    found.catch(() => {
      known = undefined;
    });
    return found;
  };
  const keyOf = (iden1: string, iden2: string): string | undefined =>
    iden1 === "--pgp-pubkey" ? iden2.replaceAll(" ", "").toUpperCase() : undefined;
  return {
    name,
    version: async (iden1, iden2) => {
      const key = keyOf(iden1, iden2);
      if (key === undefined) return undefined;
      refuseMissing(file, "file");
      return (await fingerprints()).has(key) ? modified(file) : undefined;
    },
    get: async (iden1, iden2) => {
      const key = keyOf(iden1, iden2) ?? "";
      const exported = await gpg([...own, "--armor", "--export-options", "export-minimal", "--export", key]);
      if (exported.length === 0) throw new ConsfigError(`${file} has no key ${key}`);
      return exported;
    },
    hint: (iden1, iden2) => {
      const key = keyOf(iden1, iden2);
      return key && `\`gpg --no-default-keyring --keyring ${file} --recv-key ${key}\` adds it`;
    },
  };
}

async function fingerprintsIn(own: readonly string[]): Promise<ReadonlySet<string>> {
  const listed = (await gpg([...own, "--with-colons", "--list-keys"])).toString("utf8");
  return new Set([...listed.matchAll(/^fpr:+([0-9A-F]+):$/gm)].map(([, fingerprint = ""]) => fingerprint));
}
