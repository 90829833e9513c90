import assert from "node:assert/strict";
import { test } from "node:test";
import { type Triple, withIniSettings } from "../../properties/_ini";

/** Lines are written as `a | b`, an empty line as `-`. */
const lines = (text: string): string[] =>
  text === "" ? [] : text.split(" | ").map((line) => (line === "-" ? "" : line));

const cases: readonly (readonly [
  title: string,
  before: string,
  triples: readonly Triple[],
  after: string,
])[] = [
  [
    "the test vector of the specification",
    "root = top | - | [net] | ; mtu = 1400 | mtu=1300 | host = h | - | [disk] | size=5",
    [
      ["net", "mtu", "1500"],
      ["net", "dns", "9.9.9.9"],
      ["disk", "size", "6"],
      ["zed", "k", "v"],
      ["abc", "k", "v"],
    ],
    "root = top | - | [net] | mtu=1500 | # mtu=1300 | host = h | dns=9.9.9.9 | - | [disk] | size=6 | - | [abc] | k=v | - | [zed] | k=v",
  ],
  [
    "an empty file",
    "",
    [
      ["b", "k", "1"],
      ["a", "k", "2"],
    ],
    "[a] | k=2 | - | [b] | k=1",
  ],
  ["a blank line at the end", "[a] | x=1 | -", [["a", "y", "2"]], "[a] | x=1 | y=2 | -"],
  ["a blank line before a new section", "x=1 | -", [["a", "y", "2"]], "x=1 | - | [a] | y=2"],
  ["a comment at the end", "[a] | x=1 | # the end", [["a", "y", "2"]], "[a] | x=1 | y=2 | # the end"],
  ["a header at the end", "[a] | x=1 | [m]", [["a", "y", "2"]], "[a] | x=1 | y=2 | [m]"],
  [
    "a continued value is replaced as a whole",
    "[a] | x=1 |   more | y=2",
    [["a", "x", "2"]],
    "[a] | x=2 | y=2",
  ],
  [
    "a continued value of another key stays",
    "[a] | x=1 |   more",
    [["a", "y", "2"]],
    "[a] | x=1 |   more | y=2",
  ],
  ["an indented key that could be a continuation", "[a] | x=1 |   y=2", [["a", "y", "2"]], "[a] | x=1 | y=2"],
  [
    "indented keys",
    "[a] |   x = 1 |   y = 2",
    [
      ["a", "y", "3"],
      ["a", "z", "4"],
    ],
    "[a] |   x = 1 |   y=3 |   z=4",
  ],
  [
    "key : value",
    "[a] | x : 1 | y: 2",
    [
      ["a", "x", "2"],
      ["a", "y", "2"],
    ],
    "[a] | x : 2 | y: 2",
  ],
  ["a key with a colon", "[a] | x:y = 1", [["a", "x:y", "2"]], "[a] | x:y=2"],
  ["a byte order mark", "\ufeff[a] | x=1", [["a", "x", "2"]], "\ufeff[a] | x=2"],
  [
    "a byte order mark, and a line before everything",
    "\ufeff[a] | x=1",
    [[null, "y", "2"]],
    "\ufeffy=2 | [a] | x=1",
  ],
  ["a header with blanks", "[x]  | k=1", [["x", "k", "2"]], "[x]  | k=2"],
  ["a section without settings", "[m] | - | [n] | x=1", [["m", "k", "v"]], "[m] | k=v | - | [n] | x=1"],
  ["a header with =", "[a=b] | x=1", [["a=b", "x", "2"]], "[a=b] | x=2"],
  ["keys with spaces", "[a] | my key = 1", [["a", "my key", "2"]], "[a] | my key=2"],
  [
    "two parts of a section count as one",
    "[a] | x=1 | [b] | [a] | x=2",
    [["a", "x", "3"]],
    "[a] | x=3 | [b] | [a] | # x=2",
  ],
  [
    "the same key in another section is different",
    "[a] | x=1 | [b] | x=1",
    [["b", "x", "2"]],
    "[a] | x=1 | [b] | x=2",
  ],
  [
    "a commented header starts no section",
    "[a] | x=1 | #[b] | x=2",
    [["a", "x", "2"]],
    "[a] | x=2 | #[b] | # x=2",
  ],
  [
    "a header with a comment starts a section",
    "[a] | [b] # note | x=1 | [c]   ; [d] | x=1",
    [
      ["b", "x", "2"],
      ["c", "x", "3"],
    ],
    "[a] | [b] # note | x=2 | [c]   ; [d] | x=3",
  ],
  ["already set: lines are not swapped", "[a] | ;x = 1 | x = 2", [["a", "x", "2"]], "[a] | ;x = 1 | x = 2"],
  [
    "before any section",
    "# about | x=1 | - | [a] | x=1",
    [
      [null, "x", "2"],
      [null, "y", "3"],
    ],
    "# about | x=2 | y=3 | - | [a] | x=1",
  ],
  ["before the first header", "[a] | x=1", [[null, "y", "3"]], "y=3 | [a] | x=1"],
  ["without any section", "x=1", [[null, "y", "3"]], "x=1 | y=3"],
  [
    "the same key twice",
    "",
    [
      ["a", "x", "1"],
      ["a", "y", "2"],
      ["a", "x", "3"],
    ],
    "[a] | x=3 | y=2",
  ],
  ["after commented settings", "[a] | x=1 | ;z=1 | -", [["a", "y", "2"]], "[a] | x=1 | ;z=1 | y=2 | -"],
];

for (const [title, before, triples, after] of cases) {
  test(`${title}: ${before}`, () => {
    const result = withIniSettings(lines(before), triples);
    assert.deepEqual(result, lines(after));
    assert.deepEqual(withIniSettings(result, triples), result, "a second time changes nothing");
  });
}
