/** Every source of data, with the real programs, each with one secret. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import * as source from "../../../lib/data/sources";
import type { DataSource } from "../../../lib/model/data-source";

export interface PreparedSource {
  /** As in `source`. */
  readonly name: string;
  readonly from: DataSource;
  readonly datum: readonly [iden1: string, iden2: string];
  readonly secret: string;
  /** What its datum contains, if that is not the secret as it is. */
  readonly contains?: string;
}

/** Makes the sources in the new directory `directory`. What `askpass` has must be typed. */
export async function everySource(
  t: TestContext,
  directory: string,
  secretOf: (name: string) => string,
): Promise<PreparedSource[]> {
  const at = (...names: string[]): string => path.join(directory, ...names);
  const write = (name: string, content: string | Buffer): string => {
    mkdirSync(path.dirname(at(name)), { recursive: true });
    writeFileSync(at(name), content);
    return at(name);
  };
  const fingerprint = makeKey(t, at("gpg"));
  const all: PreparedSource[] = [];
  const add = (
    name: string,
    make: (secret: string) => Pick<PreparedSource, "from" | "contains"> & Partial<PreparedSource>,
    datum: PreparedSource["datum"] = [`_${name}`, "token"],
  ) => {
    const secret = secretOf(name);
    all.push({ name, datum, secret, ...make(secret) });
  };
  const only = (name: string) => ({ iden1: `_${name}`, iden2: "token" });
  const plain = (secret: string): string => write("plain", secret);

  add("filesTree", (secret) => {
    write("tree/_filesTree/token", secret);
    return { from: source.filesTree(at("tree")) };
  });
  add("localFile", (secret) => ({
    from: source.localFile({ location: write("one", secret), ...only("localFile") }),
  }));
  add("environment", (secret) => {
    process.env["CANARY"] = secret;
    return { from: source.environment({ variable: "CANARY", ...only("environment") }) };
  });
  add("commandOutput", (secret) => ({
    from: source.commandOutput({ command: ["cat", write("output", secret)], ...only("commandOutput") }),
  }));
  add("askpass", () => ({ from: source.askpass({ iden1: /^_askpass$/ }) }));
  add(
    "gitSnapshot",
    (secret) => {
      write("repo/page.html", secret);
      git(at("repo"), "init", "-q");
      git(at("repo"), "add", ".");
      git(at("repo"), "commit", "-q", "-m", "one");
      return { from: source.gitSnapshot({ name: "site", repo: at("repo") }), contains: "\x1f\x8b" };
    },
    ["--git-snapshot", "site"],
  );
  add("pass", (secret) => {
    const options = ["--recipient", fingerprint, "--output", at("store/_pass/token.gpg")];
    mkdirSync(at("store/_pass"), { recursive: true });
    gpg("--encrypt", ...options, plain(secret));
    return { from: source.pass(at("store")) };
  });
  await source.setData(at("secrets.gpg"), "_none", "", "", [fingerprint]);
  const inFile = secretOf("gpgFile");
  await source.setData(at("secrets.gpg"), "_gpgFile", "token", inFile);
  add("gpgFile", () => ({ secret: inFile, from: source.gpgFile(at("secrets.gpg")) }));
  const forAge = secretOf("age");
  write("age/_age/token.age", await encryptedWithAge(forAge, (identity) => write("age-key", identity)));
  add("age", () => ({ secret: forAge, from: source.age({ location: at("age"), identity: at("age-key") }) }));
  gpg(
    "--no-default-keyring",
    "--keyring",
    at("keys.gpg"),
    "--import",
    write("public.asc", gpg("--armor", "--export", fingerprint)),
  );
  add(
    "gpgPublicKeys",
    () => ({ from: source.gpgPublicKeys(at("keys.gpg")), contains: "-----BEGIN PGP PUBLIC KEY BLOCK-----" }),
    ["--pgp-pubkey", fingerprint],
  );
  return all;
}

async function encryptedWithAge(text: string, keep: (identity: string) => unknown): Promise<Buffer> {
  const { Encrypter, generateX25519Identity, identityToRecipient } = await import("age-encryption");
  const identity = await generateX25519Identity();
  keep(`${identity}\n`);
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  return Buffer.from(await encrypter.encrypt(text));
}

const gpg = (...words: string[]): string =>
  execFileSync("gpg", ["--batch", "--quiet", "--passphrase", "", ...words], { encoding: "utf8" });

const git = (repo: string, ...words: string[]): string =>
  execFileSync("git", ["-C", repo, "-c", "user.name=A", "-c", "user.email=a@example.org", ...words], {
    encoding: "utf8",
  });

/** Makes a home of gpg with a key, and returns the key's fingerprint. */
function makeKey(t: TestContext, home: string): string {
  const saved = process.env["GNUPGHOME"];
  mkdirSync(home, { recursive: true, mode: 0o700 });
  process.env["GNUPGHOME"] = home;
  t.after(() => {
    execFileSync("gpgconf", ["--kill", "all"]);
    if (saved === undefined) delete process.env["GNUPGHOME"];
    else process.env["GNUPGHOME"] = saved;
  });
  gpg("--quick-generate-key", "Canaries <canaries@example.org>", "default", "default");
  return /^fpr:+([0-9A-F]+):$/m.exec(gpg("--with-colons", "--list-keys"))?.[1] ?? "";
}
