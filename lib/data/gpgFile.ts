import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { argumentsOf, type DataSource } from "../model/data-source";
import { ConsfigError } from "../model/errors";
import { object } from "../model/schema";
import { fromSiteRoot } from "../model/site";
import { gpg } from "./_gpg";
import { location, modified, named, refuseMissing } from "./_source";

const args = argumentsOf(gpgFile, object({ location: location() }));

/** A datum in the file. `set`: seconds since 1970. */
interface Item {
  readonly iden1: string;
  readonly iden2: string;
  readonly set: number;
  /** Base64. */
  readonly value: string;
}

/**
 * The data in one file that gpg encrypts: a list of items as JSON, which `setData` and `removeData` edit. The version of a
 * datum is the time when it was set. gpg decrypts the file when a deployment needs a datum, which may ask for a passphrase,
 * and again when it was changed; never for a plan. Until then nobody knows what is in it, so that any other source that
 * has a datum goes first.
 *
 * @example registerDataSource(source.gpgFile("~/secrets.gpg"))
 */
export function gpgFile(location: string): DataSource {
  const name = named("gpgFile", args, { location }, gpgFile, [location]);
  const file = fromSiteRoot(location);
  let known: { readonly at: number; readonly items: Promise<readonly Item[]> } | undefined;
  const itemsNow = (): Promise<readonly Item[]> => {
    const at = modified(file) ?? 0;
    if (known?.at === at) return known.items;
    const items = itemsIn(file);
    known = { at, items };
    items.catch(() => {
      known = undefined;
    });
    return items;
  };
  return {
    name,
    asks: true,
    version: async (iden1, iden2) => {
      refuseMissing(file, "file");
      const items =
        known && known.at === modified(file) ? await known.items.catch(() => undefined) : undefined;
      return items ? find(items, iden1, iden2)?.set : 0;
    },
    get: async (iden1, iden2) => {
      const item = find(await itemsNow(), iden1, iden2);
      if (!item)
        throw new ConsfigError(`${file} does not have it; setData(${JSON.stringify(location)}, …) adds it`);
      return Buffer.from(item.value, "base64");
    },
  };
}

const find = (items: readonly Item[], iden1: string, iden2: string): Item | undefined =>
  items.find((item) => item.iden1 === iden1 && item.iden2 === iden2);

async function itemsIn(file: string): Promise<readonly Item[]> {
  const text = await gpg(["--decrypt", "--", file]);
  const items: unknown = JSON.parse(text.toString("utf8"));
  if (!Array.isArray(items)) throw new ConsfigError(`${file} has no list of items`);
  return items as Item[];
}

/**
 * Sets the datum (`iden1`, `iden2`) in the encrypted file `location`, which is created if there is none. `recipients` are
 * who can decrypt a new file, as gpg knows them; default: as gpg.conf says, and those of the file it replaces.
 */
export async function setData(
  location: string,
  iden1: string,
  iden2: string,
  value: string | Buffer,
  recipients: readonly string[] = [],
): Promise<void> {
  const item = {
    iden1,
    iden2,
    set: Date.now() / 1000,
    value: Buffer.from(value as string).toString("base64"),
  };
  await edit(location, recipients, (items) => [...items, item], iden1, iden2);
}

/** Removes the datum (`iden1`, `iden2`) from the encrypted file `location`. */
export const removeData = (location: string, iden1: string, iden2: string): Promise<void> =>
  edit(location, [], (items) => items, iden1, iden2);

/** The names of the data in the encrypted file `location`. */
export async function listData(location: string): Promise<(readonly [iden1: string, iden2: string])[]> {
  return (await itemsIn(fromSiteRoot(location))).map(({ iden1, iden2 }) => [iden1, iden2]);
}

/** Puts the items, without the one that is edited, through `change`; replaces the file at once. */
async function edit(
  location: string,
  recipients: readonly string[],
  change: (others: readonly Item[]) => readonly Item[],
  iden1: string,
  iden2: string,
): Promise<void> {
  const file = fromSiteRoot(location);
  const before = existsSync(file) ? await itemsIn(file) : [];
  const after = change(before.filter((item) => item.iden1 !== iden1 || item.iden2 !== iden2));
  const to = recipients.length > 0 ? recipients : await recipientsOf(file);
  const options = to.length > 0 ? to.flatMap((each) => ["--recipient", each]) : ["--default-recipient-self"];
  const encrypted = await gpg(["--encrypt", ...options], Buffer.from(JSON.stringify(after, null, 1)));
  const part = `${file}.${randomBytes(6).toString("hex")}.part`;
  try {
    await writeFile(part, encrypted, { mode: 0o600, flag: "wx" });
    await rename(part, file);
  } finally {
    await rm(part, { force: true });
  }
}

/** The IDs of the keys that can decrypt `file`. */
async function recipientsOf(file: string): Promise<string[]> {
  if (!existsSync(file)) return [];
  const packets = await gpg(["--list-only", "--list-packets", "--"], await readFile(file)).catch(() =>
    Buffer.alloc(0),
  );
  return [...packets.toString("latin1").matchAll(/^:pubkey enc packet: .* keyid ([0-9A-F]+)$/gm)].map(
    ([, id = ""]) => id,
  );
}
