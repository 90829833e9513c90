import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldOf, parseStanzas, printStanzas, words, wordsOf } from "../../properties/_deb822";

test("comments are passed over, even inside a value", () => {
  const [stanza = [], ...more] = parseStanzas(
    "# of the shop\r\nTypes: deb\r\n# an older mirror\nuris: http://a.example.org\n\thttp://b.example.org\n# c\n http://d.example.org  \nSuites:\n bookworm\n bookworm-updates\n",
  );
  assert.deepEqual(more, []);
  assert.equal(fieldOf(stanza, "types"), "deb");
  assert.deepEqual(wordsOf(stanza, "URIs"), [
    "http://a.example.org",
    "http://b.example.org",
    "http://d.example.org",
  ]);
  assert.deepEqual(wordsOf(stanza, "Suites"), ["bookworm", "bookworm-updates"]);
  assert.equal(fieldOf(stanza, "Components"), undefined);
});

test("stanzas end at empty lines, and each has its own fields", () => {
  const text = "A: 1\n\n\n \nA: 2\nB: x y\n";
  assert.deepEqual(parseStanzas(text), [
    [["A", "1"]],
    [
      ["A", "2"],
      ["B", "x y"],
    ],
  ]);
  assert.deepEqual(parseStanzas(""), []);
  assert.deepEqual(parseStanzas("deb http://deb.debian.org/debian bookworm main\n"), []);
});

test("what is printed reads the same", () => {
  const long = words(["bookworm", "bookworm-updates", "bookworm-backports", "bookworm-proposed-updates"]);
  const stanzas = [
    [["Suites", long] as const, ["Components", words(["main", "contrib"])] as const],
    [["Description", "one\n\ntwo"] as const],
  ];
  const text = printStanzas(stanzas);
  assert.equal(
    text,
    "Suites:\n bookworm\n bookworm-updates\n bookworm-backports\n bookworm-proposed-updates\nComponents: main contrib\n\nDescription: one\n .\n two\n",
  );
  assert.equal(printStanzas(parseStanzas(text)), text);
});
