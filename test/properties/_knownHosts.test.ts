import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { atPort, type KnownHost, withHost, withoutHost } from "../../properties/_knownHosts";

const A = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z";
const B = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Za";
const C = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI";
const db: KnownHost = { names: ["db.example.org", "db", "192.0.2.7"], keys: [A, C] };
const own = "db.example.org,db,192.0.2.7";

const cases: readonly (readonly [title: string, before: string[], after: string[], undone: string[]])[] = [
  ["an empty file", [], [`${own} ${A}`, `${own} ${C}`], []],
  [
    "comments, blank lines and other hosts stay",
    ["# by hand", "", `other ${B}`, "not a key"],
    ["# by hand", "", `other ${B}`, "not a key", `${own} ${A}`, `${own} ${C}`],
    ["# by hand", "", `other ${B}`, "not a key"],
  ],
  ["a key that was replaced goes", [`db ${B}`, `db.example.org ${C}`], [`${own} ${C}`, `${own} ${A}`], []],
  [
    "a line in its place keeps its comment, in any order of names",
    [`192.0.2.7,DB,db.example.org ${C} old box`, `${own}\t${A}`],
    [`192.0.2.7,DB,db.example.org ${C} old box`, `${own}\t${A}`],
    [],
  ],
  [
    "other names of a line keep their key",
    [`mirror,db ${B} c`, `db,backup ${A}`],
    [`mirror ${B} c`, `${own},backup ${A}`, `${own} ${C}`],
    [`mirror ${B} c`, `backup ${A}`],
  ],
  [
    "patterns, authorities and revoked keys stay",
    [`*.example.org ${B}`, `@cert-authority db ${B}`, `@revoked db ${B}`, `db,!x ${B}`],
    [`*.example.org ${B}`, `@cert-authority db ${B}`, `@revoked db ${B}`, `${own} ${A}`, `${own} ${C}`],
    [`*.example.org ${B}`, `@cert-authority db ${B}`, `@revoked db ${B}`],
  ],
  [
    "a second line of the same key goes",
    [`${own} ${A}`, `db ${A}`, `${own} ${C}`],
    [`${own} ${A}`, `${own} ${C}`],
    [],
  ],
];

for (const [title, before, after, undone] of cases)
  test(title, () => {
    assert.deepEqual(withHost(before, db), after);
    assert.deepEqual(withHost(after, db), after);
    assert.deepEqual(withoutHost(after, db), undone);
  });

test("ports", () => {
  assert.equal(atPort("db", 22), "db");
  assert.equal(atPort("db", undefined), "db");
  assert.equal(atPort("2001:db8::7", 2222), "[2001:db8::7]:2222");
});

test("names that ssh has hashed", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "known-hosts-"));
  try {
    const file = path.join(directory, "known_hosts");
    const hashed = (...lines: string[]): string[] => {
      writeFileSync(file, `${lines.join("\n")}\n`);
      execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" });
      return readFileSync(file, "utf8").trimEnd().split("\n");
    };
    const [stale = "", right = "", other = ""] = hashed(`db ${B}`, `db ${A}`, `elsewhere ${B}`);
    assert.match(stale, /^\|1\|/);
    const after = [right, other, `${own} ${A}`, `${own} ${C}`];
    assert.deepEqual(withHost([stale, right, other], db), after);
    assert.deepEqual(withoutHost(after, db), [other]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
