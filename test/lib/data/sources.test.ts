/** Each source of data, with the real programs: what it has, which version, and what it says when it has not. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as source from "../../../lib/data/sources";
import type { DataSource, SourceContext } from "../../../lib/model/data-source";
import { answering } from "../connection/_sshd";

const nobody: SourceContext = { ask: undefined };
let scratch: string;
before(() => {
  scratch = realpathSync(mkdtempSync(path.join(tmpdir(), "sources-")));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

const at = (...names: string[]): string => path.join(scratch, ...names);
function write(name: string, content: string | Buffer): string {
  mkdirSync(path.dirname(at(name)), { recursive: true });
  writeFileSync(at(name), content);
  return at(name);
}
const get = async (from: DataSource, iden1: string, iden2: string, context = nobody): Promise<string> =>
  Buffer.from((await from.get(iden1, iden2, context)) as string).toString();

describe("source.filesTree", () => {
  test("has the files of a directory, with their times as versions", async () => {
    const file = write("tree/web1.example.org/etc/app.key", "key");
    utimesSync(file, 1000, 1000);
    const tree = source.filesTree(at("tree"));
    assert.equal(await tree.version("web1.example.org", "/etc/app.key"), 1000);
    assert.equal(await get(tree, "web1.example.org", "/etc/app.key"), "key");
    utimesSync(file, 1000, 2000.5);
    assert.equal(await tree.version("web1.example.org", "/etc/app.key"), 2000.5);
  });

  test("has nothing outside it, no directories, and says where a file is to be put", async () => {
    write("outside", "x");
    const tree = source.filesTree(at("tree"));
    for (const [iden1, iden2] of [
      ["_a", "../../outside"],
      ["..", "outside"],
      ["web1.example.org", "/etc"],
      ["_a", "missing"],
    ] as const)
      assert.equal(await tree.version(iden1, iden2), undefined, iden2);
    assert.equal(tree.hint?.("_a", "missing"), `put it into ${at("tree/_a/missing")}`);
  });

  test("says that its directory is not there", async () => {
    const tree = source.filesTree(at("nowhere"));
    await assert.rejects(async () => tree.version("_a", "x"), {
      message: `there is no directory ${at("nowhere")}`,
    });
  });
});

test("source.localFile has one datum", async () => {
  const location = write("one", "the content");
  const names = { iden1: "_app", iden2: "token" };
  const one = source.localFile({ location, ...names });
  assert.equal(typeof (await one.version("_app", "token")), "number");
  assert.equal(await one.version("_app", "other"), undefined);
  assert.equal(await get(one, "_app", "token"), "the content");
  assert.equal(
    await source.localFile({ location, ...names, version: "7.1" }).version("_app", "token"),
    "7.1",
  );
  const missing = source.localFile({ location: at("none"), ...names });
  assert.equal(await missing.version("_app", "token"), undefined);
  assert.equal(missing.hint?.("_app", "token"), `there is no file ${at("none")}`);
  assert.throws(() => source.localFile({ location } as Parameters<typeof source.localFile>[0]), {
    name: "InvalidArguments",
  });
});

test("source.environment has a variable of this session", async (t) => {
  t.after(() => void delete process.env["SOURCES_TEST"]);
  const variable = source.environment({ variable: "SOURCES_TEST", iden1: "_app", iden2: "token" });
  assert.equal(await variable.version("_app", "token"), undefined);
  assert.equal(variable.hint?.("_app", "token"), "SOURCES_TEST is not set");
  process.env["SOURCES_TEST"] = "value";
  assert.equal(await variable.version("_app", "token"), 1);
  assert.equal(await variable.version("_app", "x"), undefined);
  assert.equal(await get(variable, "_app", "token"), "value");
  assert.equal(process.env["SOURCES_TEST"], undefined, "commands do not get it");
  const again = source.environment({ variable: "SOURCES_TEST", iden1: "_app", iden2: "token" });
  assert.equal(await get(again, "_app", "token"), "value");
});

describe("source.commandOutput", () => {
  const output = (...command: string[]) => source.commandOutput({ command, iden1: "_app", iden2: "key" });

  test("has what a command prints, without the last line break", async () => {
    const one = output("printf", "%s\\n\\n", "two lines");
    assert.equal(await one.version("_app", "key"), 1);
    assert.equal(await get(one, "_app", "key"), "two lines\n");
    assert.equal(one.asks, true);
  });

  test("says why there is none", async () => {
    await assert.rejects(get(output("no-such-program"), "_app", "key"), {
      message: "no-such-program is not installed",
    });
    await assert.rejects(get(output("sh", "-c", "echo sealed >&2; exit 3"), "_app", "key"), {
      message: "sh ended with exit code 3: sealed",
    });
  });
});

describe("source.askpass", () => {
  const from = source.askpass({ iden1: /^--luks/g });
  test("has what matches", async () => {
    assert.equal(await from.version("--luks-passphrase", "disk"), 1);
    assert.equal(await from.version("--luks-passphrase", "disk"), 1);
    assert.equal(await from.version("_app", "disk"), undefined);
    assert.equal(from.name, "source.askpass({ iden1: /^--luks/g })");
  });

  test("asks twice, again when the two differ, and takes no answer for one", async () => {
    const typed = answering({ secrets: ["a", "b", "c", "c"] });
    assert.equal(await get(from, "--luks-passphrase", "disk", typed), "c");
    assert.deepEqual(typed.asked, [
      "(--luks-passphrase, disk):",
      "(--luks-passphrase, disk), again:",
      "The two differ, try again. (--luks-passphrase, disk):",
      "(--luks-passphrase, disk), again:",
    ]);
    await assert.rejects(get(from, "--luks-passphrase", "disk", answering({ secrets: ["a", undefined] })), {
      message: "nothing was entered",
    });
    await assert.rejects(get(from, "--luks-passphrase", "disk", answering({ secrets: [..."abcdef"] })), {
      message: "what was typed differed 3 times",
    });
  });

  test("has a program ask where there is no terminal", async (t) => {
    const saved = { ...process.env };
    t.after(() => {
      for (const name of ["SSH_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY"]) {
        const value = saved[name];
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    });
    for (const name of ["DISPLAY", "WAYLAND_DISPLAY"]) delete process.env[name];
    const program = write("ask", "#!/bin/sh\necho typed\n");
    chmodSync(program, 0o755);
    process.env["SSH_ASKPASS"] = program;
    await assert.rejects(get(from, "--luks-passphrase", "disk"), {
      message: "there is no terminal to ask on, and no SSH_ASKPASS with a display",
    });
    process.env["DISPLAY"] = ":0";
    assert.equal(await get(from, "--luks-passphrase", "disk"), "typed");
  });
});

describe("source.gitSnapshot", () => {
  const git = (...words: string[]) =>
    execFileSync("git", ["-C", at("repo"), "-c", "user.name=A", "-c", "user.email=a@example.org", ...words], {
      encoding: "utf8",
    }).trim();
  before(() => {
    mkdirSync(at("repo"));
    git("init", "-q", "-b", "main");
    write("repo/page.html", "one");
    git("add", ".");
    git("commit", "-q", "-m", "one");
  });

  test("is an archive of a clone without remotes, whose version is the commit", async () => {
    const snapshot = source.gitSnapshot({ name: "site", repo: at("repo") });
    const version = await snapshot.version("--git-snapshot", "site");
    assert.equal(version, git("log", "-1", "--format=%ct.%H"));
    assert.equal(await snapshot.version("--git-snapshot", "other"), undefined);
    const archive = write("site.tar.gz", (await snapshot.get("--git-snapshot", "site", nobody)) as Buffer);
    mkdirSync(at("unpacked"));
    execFileSync("tar", ["-xzf", archive, "-C", at("unpacked")]);
    const inside = (...words: string[]) =>
      execFileSync("git", ["-C", at("unpacked/site"), ...words], { encoding: "utf8" }).trim();
    assert.equal(inside("log", "-1", "--format=%H"), git("rev-parse", "HEAD"));
    assert.equal(inside("remote"), "");
    assert.equal(inside("status", "--porcelain"), "");
  });

  test("is of a branch, with as much history as wanted", async () => {
    git("checkout", "-q", "-b", "next");
    for (const text of ["two", "three"]) {
      write("repo/page.html", text);
      git("commit", "-q", "-a", "-m", text);
    }
    git("checkout", "-q", "main");
    const next = source.gitSnapshot({ name: "next", repo: at("repo"), branch: "next", depth: 1 });
    assert.match(
      String(await next.version("--git-snapshot", "next")),
      new RegExp(`${git("rev-parse", "next")}$`),
    );
    const archive = write("next.tar.gz", (await next.get("--git-snapshot", "next", nobody)) as Buffer);
    execFileSync("tar", ["-xzf", archive, "-C", at("unpacked")]);
    const log = execFileSync("git", ["-C", at("unpacked/next"), "log", "--format=%s"], { encoding: "utf8" });
    assert.equal(log, "three\n");
  });

  test("says what is not there", async () => {
    await assert.rejects(
      async () => source.gitSnapshot({ name: "x", repo: at("none") }).version("--git-snapshot", "x"),
      { message: `there is no directory ${at("none")}` },
    );
    await assert.rejects(
      async () =>
        source.gitSnapshot({ name: "x", repo: at("repo"), branch: "nope" }).version("--git-snapshot", "x"),
      /git ended with exit code 128: fatal: /,
    );
  });
});

describe("source.age", () => {
  test("has files that an identity decrypts, armoured or not", async () => {
    const { armor, Encrypter, generateX25519Identity, identityToRecipient } = await import("age-encryption");
    const identity = await generateX25519Identity();
    write("age-key", `# created: today\n${identity}\n`);
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(identity));
    write("age/_app/token.age", Buffer.from(await encrypter.encrypt("the token")));
    write("age/_app/armoured.age", armor.encode(await encrypter.encrypt("in armour")));
    const from = source.age({ location: at("age"), identity: at("age-key") });
    assert.equal(await get(from, "_app", "token"), "the token");
    assert.equal(await get(from, "_app", "armoured"), "in armour");
    assert.equal(typeof (await from.version("_app", "token")), "number");
    assert.equal(await from.version("_app", "none"), undefined);
    write("age-other", `${await generateX25519Identity()}\n`);
    await assert.rejects(
      get(source.age({ location: at("age"), identity: at("age-other") }), "_app", "token"),
      /identit/,
    );
    write("age-ssh", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    await assert.rejects(get(source.age({ location: at("age"), identity: at("age-ssh") }), "_app", "token"), {
      message: `${at("age-ssh")} has an identity that is not a key of age-keygen; decrypt with \`age\` and source.commandOutput`,
    });
  });
});

describe("with gpg", () => {
  let fingerprint: string;
  const savedHome = process.env["GNUPGHOME"];
  before(() => {
    // The path of a socket has a limit.
    const home = realpathSync(mkdtempSync("/tmp/gpg-"));
    process.env["GNUPGHOME"] = home;
    chmodSync(home, 0o700);
    const gpg = (...words: string[]) =>
      execFileSync("gpg", ["--batch", "--quiet", "--passphrase", "", ...words], { encoding: "utf8" });
    gpg("--quick-generate-key", "Sources <sources@example.org>", "default", "default");
    fingerprint = /^fpr:+([0-9A-F]+):$/m.exec(gpg("--with-colons", "--list-keys"))?.[1] ?? "";
    gpg(
      "--no-default-keyring",
      "--keyring",
      at("keys.gpg"),
      "--import-options",
      "import-minimal",
      "--import",
      write("public.asc", gpg("--armor", "--export", fingerprint)),
    );
    const encrypt = (name: string, text: string) => {
      const input = write("plain", text);
      mkdirSync(path.dirname(at(name)), { recursive: true });
      gpg("--yes", "--encrypt", "--recipient", fingerprint, "--output", at(name), input);
    };
    encrypt("store/web1.example.org/etc/app.key.gpg", "the key\nsecond line\n");
    encrypt("store/_app/token.gpg", "underscore");
    encrypt("store/app/token.gpg", "bare");
    encrypt("store/app/other.gpg", "bare other");
    encrypt("store/web1.example.org/root.gpg", "password\n");
  });
  after(() => {
    const home = process.env["GNUPGHOME"] ?? "";
    execFileSync("gpgconf", ["--kill", "all"]);
    rmSync(home, { recursive: true, force: true });
    if (savedHome === undefined) delete process.env["GNUPGHOME"];
    else process.env["GNUPGHOME"] = savedHome;
  });

  test("source.pass has the entries of a password store", async () => {
    const pass = source.pass(at("store"));
    const rows = [
      ["web1.example.org", "/etc/app.key", "the key\nsecond line"],
      ["_app", "token", "underscore"],
      ["_app", "other", "bare other"],
      ["--user-passwd--web1.example.org", "root", "password"],
      ["_", "app/token", "bare"],
    ] as const;
    for (const [iden1, iden2, value] of rows) {
      assert.equal(typeof (await pass.version(iden1, iden2)), "number", iden1);
      assert.equal(await get(pass, iden1, iden2), value);
    }
    for (const [iden1, iden2] of [
      ["_app", "none"],
      ["_app", "../app/token"],
      ["--git-snapshot", "app"],
      ["---app", "token"],
    ] as const)
      assert.equal(await pass.version(iden1, iden2), undefined, iden1);
    assert.equal(pass.hint?.("_app", "none"), "`pass insert _app/none` adds it");
    assert.equal(pass.asks, true);
  });

  test("source.gpgFile has what was set, and goes last until it was decrypted", async () => {
    const location = at("secrets.gpg");
    await source.setData(location, "_app", "token", "first", [fingerprint]);
    await source.setData(location, "_app", "binary", Buffer.from([0, 255]));
    const from = source.gpgFile(location);
    assert.equal(await from.version("_app", "token"), 0);
    assert.equal(await from.version("_other", "x"), 0);
    assert.equal(await get(from, "_app", "token"), "first");
    assert.deepEqual(await from.get("_app", "binary", nobody), Buffer.from([0, 255]));
    assert.equal(await from.version("_other", "x"), undefined);
    const version = Number(await from.version("_app", "token"));
    assert.ok(version > 1_700_000_000);
    await source.setData(location, "_app", "token", "second");
    assert.equal(await get(from, "_app", "token"), "second");
    assert.ok(Number(await from.version("_app", "token")) > version);
    await source.removeData(location, "_app", "binary");
    assert.deepEqual(await source.listData(location), [["_app", "token"]]);
    await assert.rejects(get(from, "_app", "binary"), {
      message: `${location} does not have it; setData("${location}", …) adds it`,
    });
    assert.ok(!readFileSync(location, "latin1").includes("second"));
  });

  test("source.gpgPublicKeys has the keys of a keyring", async () => {
    const keys = source.gpgPublicKeys(at("keys.gpg"));
    assert.equal(typeof (await keys.version("--pgp-pubkey", fingerprint)), "number");
    assert.match(await get(keys, "--pgp-pubkey", fingerprint), /^-----BEGIN PGP PUBLIC KEY BLOCK-----\n/);
    const other = "0".repeat(40);
    assert.equal(await keys.version("--pgp-pubkey", other), undefined);
    assert.equal(await keys.version("_app", fingerprint), undefined);
    assert.equal(
      keys.hint?.("--pgp-pubkey", other),
      `\`gpg --no-default-keyring --keyring ${at("keys.gpg")} --recv-key ${other}\` adds it`,
    );
  });
});
