import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  type Block,
  globalKeywords,
  includedBy,
  parseSshLine,
  printSshLine,
  type SshSetting,
  withSshSettings,
} from "../../properties/_sshConfig";

/** Lines are written as `a | b`, an empty line as `-`. */
const lines = (text: string): string[] =>
  text === "" ? [] : text.split(" | ").map((line) => (line === "-" ? "" : line));

const cases: readonly (readonly [
  title: string,
  before: string,
  settings: readonly SshSetting[],
  after: string,
  block?: Block | undefined,
  early?: ReadonlySet<string>,
])[] = [
  ["an empty file", "", [["Port", ["22"]]], "Port 22"],
  [
    "before the first Match",
    "Port 22 | - | Match User a | MaxAuthTries 9",
    [["MaxAuthTries", ["3"]]],
    "Port 22 | MaxAuthTries 3 | - | Match User a | MaxAuthTries 9",
  ],
  [
    "before the comments of the first Match",
    "Port 22 | - | # for a | Match User a | X11Forwarding yes",
    [["X11Forwarding", ["no"]]],
    "Port 22 | X11Forwarding no | - | # for a | Match User a | X11Forwarding yes",
  ],
  [
    "a Match at the beginning",
    "Match all | Banner x",
    [["Banner", ["y"]]],
    "Banner y | Match all | Banner x",
  ],
  [
    "keywords in other capital letters",
    "passwordauthentication yes | PasswordAuthentication no",
    [["PasswordAuthentication", ["no"]]],
    "passwordauthentication no | PasswordAuthentication no",
  ],
  [
    "the first value counts, and later ones stay",
    "MaxAuthTries 3 | MaxAuthTries 9",
    [["MaxAuthTries", ["3"]]],
    "MaxAuthTries 3 | MaxAuthTries 9",
  ],
  [
    "a comment with the keyword, but no sentence",
    "# Port is the number | #Port 22",
    [["Port", ["2222"]]],
    "# Port is the number | Port 2222",
  ],
  [
    "separators, quotes and comments stay",
    'banner = "/etc/x y" # why | Port\t22',
    [
      ["Banner", ['"/etc/z"']],
      ["Port", ["23"]],
    ],
    'banner = "/etc/z" # why | Port\t23',
  ],
  [
    "several values",
    "Port 22 | Protocol 2 | Port 23 | Port 24",
    [["Port", ["23", "22"]]],
    "Port 23 | Protocol 2 | Port 22 | # Port 24",
  ],
  [
    "more values than lines",
    "Port 22 | Protocol 2",
    [["port", ["22", "23"]]],
    "Port 22 | port 23 | Protocol 2",
  ],
  [
    "one value of a keyword that may have several",
    "Port 22 | Port 23",
    [["Port", ["22"]]],
    "Port 22 | # Port 23",
  ],
  [
    "in a block, whose lines are not indented",
    "Port 22 | Match User=bob | MaxAuthTries 9 | Match User eve | MaxAuthTries 8",
    [
      ["maxauthtries", ["3"]],
      ["Banner", ["none"]],
    ],
    "Port 22 | Match User=bob | MaxAuthTries 3 | Banner none | Match User eve | MaxAuthTries 8",
    { keyword: "Match", criteria: "user bob" },
  ],
  [
    "a new block",
    "Port 22",
    [["Banner", ["none"]]],
    "Port 22 | - | Match Group sftp | \tBanner none",
    { keyword: "Match", criteria: "Group sftp" },
  ],
  [
    "a new block before the one for everything",
    "Host x | User a | - | # all | Host * | User b",
    [["User", ["c"]]],
    "Host x | User a | - | Host y z | \tUser c | - | # all | Host * | User b",
    { keyword: "Host", criteria: "y z" },
  ],
  [
    "indented as its neighbours",
    "Host x |    User a",
    [["Port", ["23"]]],
    "Host x |    User a |    Port 23",
    { keyword: "Host", criteria: "x" },
  ],
  [
    "before an Include that sets it",
    "# first | Include d/*.conf | #Banner x | Banner y",
    [["Banner", ["z"]]],
    "# first | Banner z | Include d/*.conf | #Banner x | Banner y",
    undefined,
    new Set(["banner"]),
  ],
  [
    "already before an Include that sets it",
    "Banner z | Include d/*.conf",
    [["Banner", ["z"]]],
    "Banner z | Include d/*.conf",
    undefined,
    new Set(["banner"]),
  ],
];

for (const [title, before, settings, after, block, early] of cases) {
  test(`${title}: ${before}`, () => {
    const result = withSshSettings(lines(before), settings, block, early);
    assert.deepEqual(result, lines(after));
    assert.deepEqual(
      withSshSettings(result, settings, block, early),
      result,
      "a second time changes nothing",
    );
  });
}

test("what a file says before its first block", () => {
  const file = lines('Include a.conf "b c.conf" | #Port 1 | PORT 22 | Match all | Include d | Banner x');
  assert.deepEqual(includedBy(file), ["a.conf", "b c.conf"]);
  assert.deepEqual(globalKeywords(file), new Set(["include", "port"]));
});

const keywords = [
  "Port",
  "MaxAuthTries",
  "Banner",
  "maxauthtries",
  "LoginGraceTime",
  "X11Forwarding",
  "Match",
  "Host",
];
/** Lines as people write them, and some that nobody writes. */
const line = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("", " ", "\t", "  "),
      fc.constantFrom("", "", "", "#", "# ", "## "),
      fc.constantFrom(...keywords),
      fc.constantFrom(" ", "=", " = ", "\t", "  "),
      fc.constantFrom("3", "4", "yes", '"a b"', "all", "User x", "User x # y", "*", "a#b", 'x "'),
      fc.constantFrom("", " ", "\t# why", "\r"),
    )
    .map((parts) => parts.join("")),
  fc.constantFrom("", "   ", "#", "# a sentence about MaxAuthTries"),
  fc.string({ unit: "binary" }).map((text) => text.replaceAll("\n", " ")),
);

test("a line is printed as it was read", () => {
  fc.assert(
    fc.property(line, (text) => {
      const found = parseSshLine(text);
      if (found) assert.equal(printSshLine(found), text);
    }),
  );
});

const value = fc.constantFrom("3", "4", "5");
const block = fc.option(fc.constantFrom("User x", "all", "Group y"), { nil: undefined });

test("any file: a second time changes nothing, and other lines stay", () => {
  fc.assert(
    fc.property(fc.array(line), value, block, (file, wanted, criteria) => {
      const where = criteria === undefined ? undefined : ({ keyword: "Match", criteria } as const);
      const result = withSshSettings(file, [["MaxAuthTries", [wanted]]], where);
      assert.deepEqual(withSshSettings(result, [["MaxAuthTries", [wanted]]], where), result);
      const others = (all: readonly string[]) => all.filter((each) => !/maxauthtries|^Match|^$/i.test(each));
      assert.deepEqual(others(result), others(file));
    }),
  );
});

const hasSshd = spawnSync("/usr/sbin/sshd", ["-V"]).error === undefined;
const readable = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("", "  "),
      fc.constantFrom("", "#", "# "),
      fc.constantFrom("MaxAuthTries", "maxauthtries", "MAXAUTHTRIES"),
      fc.constantFrom(" ", "=", "\t"),
      fc.constantFrom("7", "8", "9"),
    )
    .map((parts) => parts.join("")),
  fc.constantFrom(
    "",
    "# note",
    "Match User nobody",
    "Match Group nogroup",
    "PermitRootLogin no",
    "  Banner none",
  ),
);

describe("what sshd and ssh read", { skip: hasSshd ? false : "sshd is not installed" }, () => {
  const inFile = (file: readonly string[], read: (name: string) => string): string => {
    const directory = mkdtempSync(path.join(tmpdir(), "ssh-config-"));
    try {
      const key = path.join(directory, "key");
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
      const name = path.join(directory, "config");
      writeFileSync(name, [...file, ""].join("\n"), { mode: 0o600 });
      return read(name);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  const sshd = (file: readonly string[], ...more: string[]) =>
    inFile(file, (name) =>
      execFileSync(
        "/usr/sbin/sshd",
        ["-T", "-f", name, "-h", path.join(path.dirname(name), "key"), ...more],
        {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "pipe"],
        },
      ),
    );

  test("sshd -T has the value, for everybody", () => {
    fc.assert(
      fc.property(fc.array(readable, { maxLength: 8 }), value, (file, wanted) => {
        assert.match(
          sshd(withSshSettings(file, [["MaxAuthTries", [wanted]]])),
          new RegExp(`^maxauthtries ${wanted}$`, "m"),
        );
      }),
      { numRuns: 25 },
    );
  });

  test("sshd -T -C has the value, for whom the block is", () => {
    fc.assert(
      fc.property(fc.array(readable, { maxLength: 5 }), value, (file, wanted) => {
        const criteria = { keyword: "Match", criteria: "User special" } as const;
        const result = withSshSettings(file, [["MaxAuthTries", [wanted]]], criteria);
        const found = sshd(result, "-C", "user=special,host=x,addr=192.0.2.1");
        assert.match(found, new RegExp(`^maxauthtries ${wanted}$`, "m"));
      }),
      { numRuns: 25 },
    );
  });

  test("ssh -G has the value of the block", () => {
    const ssh = (file: readonly string[]) =>
      inFile(file, (name) => execFileSync("ssh", ["-G", "-F", name, "h.example.org"], { encoding: "utf8" }));
    const result = withSshSettings(lines("Host * | User a"), [["User", ["b"]]], {
      keyword: "Host",
      criteria: "*.example.org",
    });
    assert.match(ssh(result), /^user b$/m);
  });
});
