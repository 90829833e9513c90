import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { type HostsEntry, withEntry, withoutEntry } from "../../properties/_hosts";

const cases: readonly (readonly [title: string, before: string, entry: HostsEntry, after: string])[] = [
  [
    "a new line",
    "",
    { address: "192.0.2.7", names: ["db.example.org", "db"] },
    "192.0.2.7\tdb.example.org db",
  ],
  [
    "further names and comments stay",
    "127.0.0.1  localhost loop # mine",
    { address: "127.0.0.1", names: ["localhost"] },
    "127.0.0.1  localhost loop # mine",
  ],
  [
    "the canonical name comes first",
    "127.0.1.1 old.example.org\told # mine",
    { address: "127.0.1.1", names: ["web1.example.org", "web1"] },
    "127.0.1.1 web1.example.org web1 old.example.org\told # mine",
  ],
  [
    "names that are there are not repeated",
    "::1 ip6-loopback  Localhost",
    { address: "0:0:0:0:0:0:0:1", names: ["localhost", "ip6-localhost"] },
    "::1 localhost ip6-localhost ip6-loopback",
  ],
  [
    "before another address of the name",
    "127.0.0.1 localhost | 192.0.2.1 db | ::2 db",
    { address: "192.0.2.7", names: ["db"] },
    "127.0.0.1 localhost | 192.0.2.7\tdb | 192.0.2.1 db | ::2 db",
  ],
  [
    "comments are no entries",
    "#192.0.2.7 x",
    { address: "192.0.2.7", names: ["x"] },
    "#192.0.2.7 x | 192.0.2.7\tx",
  ],
];

const lines = (text: string): string[] => (text === "" ? [] : text.split(" | "));

for (const [title, before, entry, after] of cases) {
  test(title, () => {
    const result = withEntry(lines(before), entry);
    assert.deepEqual(result, lines(after));
    assert.deepEqual(withEntry(result, entry), result, "a second time changes nothing");
  });
}

test("names of an address are removed, and a line without any", () => {
  const file = ["192.0.2.7 db.example.org db other # mine", "192.0.2.8 db", "192.0.2.7 db"];
  assert.deepEqual(withoutEntry(file, { address: "192.0.2.7", names: ["db.example.org", "DB"] }), [
    "192.0.2.7 other # mine",
    "192.0.2.8 db",
  ]);
});

const name = fc.constantFrom("a", "b.example.org", "C", "localhost");
const address = fc.constantFrom("127.0.0.1", "192.0.2.1", "::1");
const blank = fc.constantFrom(" ", "\t", "  ");
const line = fc.oneof(
  fc
    .tuple(fc.constantFrom("", " "), address, blank, name, blank, name, fc.constantFrom("", " # x", "\t"))
    .map((parts) => parts.join("")),
  fc.constantFrom("", "# 127.0.0.1 a", "127.0.0.1", "   "),
  fc.string().map((text) => text.replaceAll("\n", " ")),
);

test("any file: a second time changes nothing; unapplying restores it where the names are new", () => {
  fc.assert(
    fc.property(fc.array(line), address, (file, where) => {
      const entry = { address: where, names: ["new.example.org", "new"] };
      const result = withEntry(file, entry);
      assert.deepEqual(withEntry(result, entry), result);
      assert.deepEqual(withoutEntry(result, entry), file);
    }),
  );
});

test("getent finds the canonical name at its address", (t) => {
  if (process.getuid?.() !== 0) return t.skip("it needs root, for a mount of its own");
  fc.assert(
    fc.property(fc.array(line.filter((text) => /^[\x20-\x7e\t]*$/.test(text))), (file) => {
      const own = `/tmp/hosts-test-${process.pid}`;
      writeFileSync(own, `${withEntry(file, { address: "192.0.2.9", names: ["a", "alias"] }).join("\n")}\n`);
      const command = `mount --bind ${own} /etc/hosts && rm ${own} && getent -s files ahostsv4 a && getent -s files hosts 192.0.2.9`;
      const found = execFileSync("unshare", ["--mount", "sh", "-c", command], { encoding: "utf8" });
      assert.match(found, /^192\.0\.2\.9 +STREAM/m);
      assert.match(found, /^192\.0\.2\.9 +a alias\b/m);
    }),
    { numRuns: 20 },
  );
});
