/** Files that programs read: after each edit of any file, the program sees the value. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { type Triple, withIniSettings } from "../../properties/_ini";
import { dialectOf, generic, hasSections, type IniDialect } from "../../properties/_iniDialects";

let directory = "";
before(() => {
  directory = mkdtempSync(path.join(tmpdir(), "ini-readers-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const missing = (command: string) =>
  spawnSync(command, ["--version"]).error === undefined ? false : `${command} is not installed`;

const git = dialectOf("/etc/gitconfig");
const systemd = dialectOf("/etc/systemd/journald.conf");
const samba = dialectOf("/etc/samba/smb.conf");
const mysql = dialectOf("/etc/mysql/conf.d/own.cnf");
const php = dialectOf("/etc/php/8.2/fpm/php.ini");

test("dialects are known by the path", () => {
  const paths: Readonly<Record<string, IniDialect>> = {
    "/etc/gitconfig": git,
    ".gitconfig": git,
    "/srv/a/.git/config": git,
    ".config/git/config": git,
    "/etc/systemd/system/x.service.d/own.conf": systemd,
    "/etc/systemd/network/10-lan.network": systemd,
    ".config/systemd/user/x.timer": systemd,
    "/etc/my.cnf": mysql,
    "/etc/mysql/mariadb.conf.d/50-server.cnf": mysql,
    "/etc/php/8.2/cli/conf.d/20-own.ini": php,
    "/etc/samba/smb.conf": samba,
    "/etc/supervisord.conf": generic,
    "x.ini": generic,
  };
  for (const [file, dialect] of Object.entries(paths)) assert.equal(dialectOf(file), dialect, file);
  assert.deepEqual(["/etc/samba/smb.conf", "a.ini", "/etc/sysctl.conf", "/etc/default/x"].map(hasSections), [
    true,
    true,
    false,
    false,
  ]);
});

/** Lines are written as `a | b`. */
const cases: readonly (readonly [dialect: IniDialect, before: string, triple: Triple, after: string])[] = [
  [
    git,
    "[Core] bare = true | \teditor = vi ; mine",
    ["core", "bare", "false"],
    "[Core] bare = false | \teditor = vi ; mine",
  ],
  [
    git,
    '[remote "O"] | \turl = a\\ | b | \tfetch = c',
    ['Remote "O"', "URL", "x#y"],
    '[remote "O"] | \turl = "x#y" | \tfetch = c',
  ],
  [git, "[core] | \tbare", ["core", "bare", "true"], "[core] | \tbare = true"],
  [git, '[core] | \teditor = "a b" # c', ["core", "editor", "a b"], '[core] | \teditor = "a b" # c'],
  [
    systemd,
    "[Service] | ExecStart=a \\ |   b | User=x",
    ["Service", "ExecStart", "c"],
    "[Service] | ExecStart=c | User=x",
  ],
  [
    systemd,
    "[Service] | ExecStart= | ExecStart=a",
    ["Service", "ExecStart", "b"],
    "[Service] | ExecStart= | ExecStart=b",
  ],
  [systemd, "[Service] | ExecStart=", ["Service", "ExecStart", "b"], "[Service] | ExecStart= | ExecStart=b"],
  [
    systemd,
    "[Journal] | #Storage=auto | x : y",
    ["Journal", "Storage", "none"],
    "[Journal] | Storage=none | x : y",
  ],
  [
    samba,
    "[Global] | ;  WorkGroup = A |    work group = B",
    ["global", "workgroup", "B"],
    "[Global] | ;  WorkGroup = A |    work group = B",
  ],
  [
    samba,
    "[global] |    server string = a",
    ["GLOBAL", "Server String", "b"],
    "[global] |    server string = b",
  ],
  [
    mysql,
    "[mysqld] # the server | skip_networking",
    ["mysqld", "skip-networking", "0"],
    "[mysqld] # the server | skip_networking = 0",
  ],
  [
    mysql,
    "[mysqld] | !includedir /x | port = 1 # old",
    ["mysqld", "port", "1"],
    "[mysqld] | !includedir /x | port = 1 # old",
  ],
  [
    php,
    "[PHP] | ; memory_limit = 1 | a = 1 ; why",
    ["PHP", "a", "1"],
    "[PHP] | ; memory_limit = 1 | a = 1 ; why",
  ],
  [php, "[PHP] | a = 1 | a = 2", ["PHP", "a", "x;y"], '[PHP] | a = "x;y" | ; a = 2'],
];

for (const [dialect, text, triple, expected] of cases) {
  test(`${text} + ${triple.join(" ")}`, () => {
    const result = withIniSettings(text.split(" | "), [triple], dialect);
    assert.equal(result.join(" | "), expected);
    assert.deepEqual(withIniSettings(result, [triple], dialect), result, "a second time changes nothing");
  });
}

/** Lines of a file: settings of a few keys with blanks, separators, comments, headers. */
const lineOf = (
  indents: string[],
  separators: string[],
  headers: string[],
  markers: string[],
  others: string[],
) =>
  fc.oneof(
    fc
      .tuple(
        fc.constantFrom(...indents),
        fc.constantFrom("", "", ...markers),
        fc.constantFrom("key", "other", "third"),
        fc.constantFrom(...separators),
        fc.constantFrom("1", "2", "a b"),
      )
      .map((parts) => parts.join("")),
    fc.constantFrom(...headers),
    fc.constantFrom("", ...others),
  );

const value = fc.oneof(
  fc.constantFrom("1", "2"),
  fc.stringMatching(/^[a-z0-9/._-]([a-z /._-]{0,8}[a-z0-9])?$/),
);

test("any lines: a second time changes nothing, and lines of other keys stay, in every dialect", () => {
  const anything = fc.oneof(
    lineOf(
      ["", " ", "\t"],
      ["=", " = ", ": ", " =", ""],
      ["[s]", "[S] # x", " [t]", "[core] key = 1"],
      ["#", "; "],
      ["  \\"],
    ),
    fc.string().map((text) => text.replaceAll("\n", " ")),
  );
  for (const dialect of [generic, git, systemd, samba, mysql, php]) {
    fc.assert(
      fc.property(fc.array(anything), value, (file, wanted) => {
        const once = withIniSettings(file, [["s", "key", wanted]], dialect);
        assert.deepEqual(withIniSettings(once, [["s", "key", wanted]], dialect), once);
        const own = /key|^$|\[s\]/i;
        const others = (all: readonly string[]) => all.filter((line) => !own.test(line));
        if (dialect.continues === "nothing") assert.deepEqual(others(once), others(file));
      }),
    );
  }
});

test("git config", { skip: missing("git") }, () => {
  const special = fc.oneof(value, fc.constantFrom("a#b", 'say "x"', " led", "back\\slash", ";", "a ; b", ""));
  const line = lineOf(
    ["", "\t", "  "],
    [" = ", "=", ""],
    ["[s]", "[S]", '[s "Sub"]', "[t] ; note", "[s] key = 7"],
    ["#", "; "],
    ["\tkey = a \\\n b", "# x"],
  ).filter((text) => !/key(1|2|a b)|(other|third)(1|2|a b)/.test(text));
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 8 }),
      special,
      fc.constantFrom("s", 's "Sub"'),
      (file, wanted, section) => {
        const all = ["[x]", ...file.flatMap((text) => text.split("\n"))];
        const own = path.join(directory, "gitconfig");
        writeFileSync(own, `${withIniSettings(all, [[section, "key", wanted]], git).join("\n")}\n`);
        const name = section === "s" ? "s.key" : "s.Sub.key";
        assert.equal(run("git", "config", "--file", own, "--get-all", name), `${wanted}\n`);
      },
    ),
    { numRuns: 60 },
  );
});

test("Python's configparser", { skip: missing("python3") }, () => {
  const line = lineOf(
    ["", "", "  "],
    ["=", " = ", ": ", " : "],
    ["[s]", "[t]  ", "[t] # x"],
    ["#", ";"],
    ["   more", "# x"],
  );
  const files = fc.sample(fc.tuple(fc.array(line, { maxLength: 8 }), value), { numRuns: 60, seed: 9 });
  const edited = files.map(([file, wanted]) => ({
    text: `\ufeff${withIniSettings(["[s]", ...file], [["s", "key", wanted]]).join("\n")}\n`,
    wanted,
  }));
  // With other duplicates in the file, the last one counts.
  const script = `import configparser, json, sys
out = []
for each in json.load(open(sys.argv[1])):
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    parser.read_string(each["text"].lstrip("\\ufeff"))
    out.append(parser["s"].get("key"))
print(json.dumps(out))`;
  const own = path.join(directory, "files.json");
  writeFileSync(own, JSON.stringify(edited));
  assert.deepEqual(
    (JSON.parse(run("python3", "-c", script, own)) as unknown[]).map((seen, at) => ({ ...edited[at], seen })),
    edited.map((each) => ({ ...each, seen: each.wanted })),
  );
});

describe("systemd", { skip: missing("systemd-analyze") }, () => {
  test("cat-config shows one value of the key", () => {
    const line = lineOf(
      ["", " "],
      ["=", " = "],
      ["[Journal]", "[Other]"],
      ["#", ";"],
      ["x=a \\\n  b", "# x"],
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), value, (file, wanted) => {
        const all = ["[Journal]", ...file.flatMap((text) => text.split("\n"))];
        mkdirSync(path.join(directory, "etc/systemd"), { recursive: true });
        const own = path.join(directory, "etc/systemd/journald.conf");
        writeFileSync(own, `${withIniSettings(all, [["Journal", "key", wanted]], systemd).join("\n")}\n`);
        const shown = run("systemd-analyze", "cat-config", `--root=${directory}`, "systemd/journald.conf");
        assert.deepEqual(valuesIn(shown, "Journal", "key"), [wanted]);
      }),
      { numRuns: 15 },
    );
  });
});

/** The values of a key in a section, read as systemd.syntax(7) says. */
function valuesIn(text: string, section: string, key: string): string[] {
  let current = "";
  return text
    .replace(/\\\n/g, " ")
    .split("\n")
    .flatMap((line) => {
      const trimmed = line.trim();
      if (/^[#;]/.test(trimmed)) return [];
      const header = /^\[(.*)\]$/.exec(trimmed)?.[1];
      if (header !== undefined) current = header;
      const [name, ...rest] = trimmed.split("=");
      return header === undefined && current === section && name?.trim() === key
        ? [rest.join("=").trim()]
        : [];
    });
}

test("testparm", { skip: missing("testparm") }, () => {
  const line = lineOf(["", "   "], [" = "], ["[global]", "[Global]"], [";", "#"], []);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), (file) => {
      const own = path.join(directory, "smb.conf");
      writeFileSync(
        own,
        `${withIniSettings(["[global]", ...file], [["global", "workgroup", "SHOP"]], samba).join("\n")}\n`,
      );
      assert.match(run("testparm", "-s", "--parameter-name=workgroup", own), /^SHOP$/m);
    }),
    { numRuns: 10 },
  );
});
