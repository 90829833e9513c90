/** Keys of GnuPG, in the home directory of the connected user. */
import { AbortedChange, defprop, type PosixTarget, type Secret, schema } from "consfigurator";
import { fingerprint, fingerprintsOf, isPartOf, secretFingerprintsOf, withoutSpaces } from "./_openpgp";

const { either, integer, object, oneOf, optional } = schema;

/** What gpg writes for each level. */
const LEVELS = { undefined: 2, never: 3, marginal: 4, full: 5, ultimate: 6 } as const;
type Level = keyof typeof LEVELS | number;

const PUBLIC = "--pgp-pubkey";
const SECRET = "--pgp-seckey";

/** gpg asks nobody. */
const gpg = (...words: string[]): string[] => ["gpg", "--batch", "--no-tty", ...words];

const keyArgs = object({ fingerprint: fingerprint() });
const called = (fingerprint: string) => ({ fingerprint: withoutSpaces(fingerprint) });
const shortly = (fingerprint: string): string => withoutSpaces(fingerprint).slice(-16);

/**
 * The public key with `fingerprint` is in the keyring of the connected user, as new as the prerequisite data ("--pgp-pubkey",
 * `fingerprint` without spaces), which is in ASCII armor: new user IDs, subkeys and signatures are merged. `trustLevel` is how far its
 * owner is trusted to sign other keys: "undefined", "never", "marginal", "full", "ultimate", or the number that gpg writes
 * for it, from 2 to 6. Data with another key, or with further ones, is refused. gpg must be installed. Unapplying it deletes
 * the key, and fails if the secret key is there too.
 *
 * @example gnupg.publicKeyImported("9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88", { trustLevel: "full" })
 * @example as("release", gnupg.publicKeyImported("9DC858229FC7DD38854AE2D88D81803C0EBFCD88"))
 */
export const publicKeyImported = defprop({
  name: "gnupg.publicKeyImported",
  kind: "posix",
  args: object({
    fingerprint: fingerprint(),
    trustLevel: optional(
      either(
        oneOf("undefined", "never", "marginal", "full", "ultimate"),
        integer({ minimum: LEVELS.undefined, maximum: LEVELS.ultimate }),
      ),
    ),
  }),
  call: (fingerprint: string, options: { readonly trustLevel?: Level } = {}) => ({
    ...called(fingerprint),
    ...options,
  }),
  desc: ({ fingerprint }) => `public key ${shortly(fingerprint)} of gpg`,
  hostattrs: ({ fingerprint }, host) => host.requireData(PUBLIC, withoutSpaces(fingerprint)),
  apply: async ({ fingerprint, trustLevel }, target) => {
    const key = withoutSpaces(fingerprint);
    const home = await gnupgHome(target);
    const data = await target.data(PUBLIC, key);
    refuseOthers(PUBLIC, key, fingerprintsOf(data.reveal().toString("latin1")));
    const level = typeof trustLevel === "string" ? LEVELS[trustLevel] : trustLevel;
    const isNew = (await hasMore(target, home, key, data)) && (await imported(target, home, key, data));
    if (level === undefined || (await ownerTrust(target, home, key)) === level)
      return isNew ? "changed" : "unchanged";
    await target.run(gpg("--quiet", "--import-ownertrust"), {
      input: `${key}:${level}:\n`,
      touches: { paths: [home] },
    });
    return "changed";
  },
  unapply: async ({ fingerprint }, target) => {
    const key = withoutSpaces(fingerprint);
    const home = await gnupgHome(target);
    if (!(await listed(target, home, key))) return "unchanged";
    await target.run(gpg("--yes", "--delete-keys", key), { touches: { paths: [home] } });
    return "changed";
  },
});

/**
 * The secret key with `fingerprint` is in the keyring of the connected user: if it is not, it is imported from the
 * prerequisite data ("--pgp-seckey", `fingerprint` without spaces), which is in ASCII armor, as `gpg --armor
 * --export-secret-keys` prints it. A stub without the secret, or of a smart card, does not count. The passphrase of the key
 * stays as it is. Data with another key, or with further ones, is refused. gpg must be installed. Unapplying it deletes the
 * secret key; the public one stays.
 *
 * @example as("release", gnupg.secretKeyImported("9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"))
 */
export const secretKeyImported = defprop({
  name: "gnupg.secretKeyImported",
  kind: "posix",
  args: keyArgs,
  call: called,
  desc: ({ fingerprint }) => `secret key ${shortly(fingerprint)} of gpg`,
  hostattrs: ({ fingerprint }, host) => host.requireData(SECRET, withoutSpaces(fingerprint)),
  check: async ({ fingerprint }, target) =>
    hasSecret(target, await gnupgHome(target), withoutSpaces(fingerprint)),
  apply: async ({ fingerprint }, target) => {
    const key = withoutSpaces(fingerprint);
    const data = await target.data(SECRET, key);
    refuseOthers(SECRET, key, secretFingerprintsOf(data.reveal().toString("latin1")));
    await imported(target, await gnupgHome(target), key, data);
    return "changed";
  },
  unapply: async ({ fingerprint }, target) => {
    const key = withoutSpaces(fingerprint);
    const home = await gnupgHome(target);
    await target.run(gpg("--yes", "--delete-secret-keys", key), { touches: { paths: [home] } });
    return "changed";
  },
});

/** Where the keys of the connected user are. Throws `AbortedChange` when there is no gpg. */
async function gnupgHome(target: PosixTarget): Promise<string> {
  const [{ home }, has] = await Promise.all([target.identity(), target.hasCommand("gpg")]);
  if (has) return `${home}/.gnupg`;
  throw new AbortedChange(
    `gpg is not installed; put apt.installed("gnupg"), or what installs it there, before this property`,
  );
}

function refuseOthers(iden1: string, key: string, found: readonly string[] | undefined): void {
  if (found?.length === 1 && found[0] === key) return;
  const what = found ? `has ${found.join(", ")}` : "is not a key in ASCII armor";
  throw new AbortedChange(
    `the data (${iden1}, ${key}) must be the key ${key} alone, and ${what}; correct it where it comes from`,
  );
}

/** Imports `data`; resolves to whether that changed the keyring. */
async function imported(target: PosixTarget, home: string, key: string, data: Secret): Promise<boolean> {
  const { stdout } = await target.run(gpg("--quiet", "--status-fd", "1", "--import"), {
    input: data,
    touches: { paths: [home] },
  });
  return !stdout.includes(`[GNUPG:] IMPORT_OK 0 ${key}\n`);
}

/** Whether there is a keyring: without one, even a question of gpg would make it. */
async function hasKeyring(target: PosixTarget, home: string): Promise<boolean> {
  const found = await Promise.all(
    ["pubring.kbx", "pubring.gpg"].map((name) => target.stat(`${home}/${name}`)),
  );
  return found.some((each) => each !== undefined);
}

/** Whether something of `data` is not in the keyring. */
async function hasMore(target: PosixTarget, home: string, key: string, data: Secret): Promise<boolean> {
  if (!(await hasKeyring(target, home))) return true;
  const { stdout } = await target.query(gpg("--quiet", "--armor", "--export", key), {
    about: { paths: [home] },
  });
  return !isPartOf(data.reveal().toString("latin1"), stdout);
}

/** What gpg lists of the key, by fields; undefined when it is not in the keyring. */
async function listed(target: PosixTarget, home: string, key: string): Promise<string[][] | undefined> {
  if (!(await hasKeyring(target, home))) return undefined;
  const list = gpg(
    "--no-auto-check-trustdb",
    "--trust-model",
    "always",
    "--with-colons",
    "--with-keygrip",
    "--list-keys",
    key,
  );
  const { stdout, exit } = await target.query(list, { mayFail: true, about: { paths: [home] } });
  return exit === 0 ? stdout.split("\n").map((line) => line.split(":")) : undefined;
}

/** Looks at the file of the key, as asking gpg would start its agent. */
async function hasSecret(target: PosixTarget, home: string, key: string): Promise<boolean> {
  const grip = (await listed(target, home, key))?.find(([type]) => type === "grp")?.[9];
  const file = `${home}/private-keys-v1.d/${grip}.key`;
  if (grip === undefined || !(await target.stat(file))) return false;
  return !(await target.succeeds(["grep", "-q", "shadowed-private-key", file], { about: { paths: [file] } }));
}

async function ownerTrust(target: PosixTarget, home: string, key: string): Promise<number | undefined> {
  if (!(await target.stat(`${home}/trustdb.gpg`))) return undefined;
  const { stdout } = await target.query(gpg("--export-ownertrust"), { about: { paths: [home] } });
  const [, level] = new RegExp(`^${key}:(\\d+):$`, "m").exec(stdout) ?? [];
  return level === undefined ? undefined : Number(level);
}
