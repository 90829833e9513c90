import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ConfStyle,
  equals,
  type Pair,
  shell,
  space,
  tab,
  unspaced,
  withSettings,
} from "../../properties/_conf";

/** Lines are written as `a | b`; nothing between bars is an empty line. */
const lines = (text: string): string[] => (text === "" ? [] : text.split(" | "));

const cases: readonly (readonly [
  title: string,
  style: ConfStyle,
  before: string,
  pairs: readonly Pair[],
  after: string,
])[] = [
  [
    "the test vector of the specification",
    space,
    "#Color yes | Color no | Depth 3 | #Depth 4",
    [
      ["Color", "auto"],
      ["Width", "80"],
    ],
    "Color auto | # Color no | Depth 3 | #Depth 4 | Width 80",
  ],
  [
    "the test vector of the specification",
    equals,
    "alpha=1 | # beta = 2 | beta = 3 | gamma=4",
    [
      ["beta", "9"],
      ["delta", "x y"],
    ],
    "alpha=1 | beta = 9 | # beta = 3 | gamma=4 | delta = x y",
  ],
  [
    "the test vector of the specification",
    shell,
    `# NAME='old one' | OTHER="keep me"`,
    [
      ["NAME", "new one"],
      ["PLAIN", "a/b:c"],
    ],
    `NAME="new one" | OTHER="keep me" | PLAIN=a/b:c`,
  ],
  [
    "a value next to its documentation",
    space,
    "#Port 22 | Port 2222",
    [["Port", "22"]],
    "Port 22 | # Port 2222",
  ],
  [
    "already set: lines are not swapped",
    space,
    "#Port 22 | Port 2222",
    [["Port", "2222"]],
    "#Port 22 | Port 2222",
  ],
  ["already set, with different spaces", space, "Port    22  ", [["Port", "22"]], "Port    22  "],
  [
    "two active lines do not count as set",
    space,
    "Port 22 | Port 22",
    [["Port", "22"]],
    "Port 22 | # Port 22",
  ],
  [
    "other lines stay as they are",
    space,
    "z    9 | #q   1 | ## r  2 | #  some   words",
    [["Port", "22"]],
    "z    9 | #q   1 | ## r  2 | #  some   words | Port 22",
  ],
  [
    "prose is not a setting",
    space,
    "# Port is the number | # Port 2222",
    [["Port", "22"]],
    "# Port is the number | Port 22",
  ],
  ["prose alone", space, "# Port is the number", [["Port", "22"]], "# Port is the number | Port 22"],
  [
    "a comment with as many words as the setting",
    space,
    "# Log to file | #Log x",
    [["Log", "to syslog"]],
    "Log to syslog | #Log x",
  ],
  [
    "words are not counted if the marker touches the key",
    space,
    "#Port is the number",
    [["Port", "22"]],
    "Port 22",
  ],
  ["repeated markers", space, "## Port 1", [["Port", "22"]], "Port 22"],
  ["an indented line is not a setting", space, "  Port 1", [["Port", "22"]], "  Port 1 | Port 22"],
  ["keys are case-sensitive", space, "port 1", [["Port", "22"]], "port 1 | Port 22"],
  ["a key without a value", space, "Port", [["Port", "22"]], "Port | Port 22"],
  [
    "the same key twice",
    space,
    "b 1",
    [
      ["a", "1"],
      ["b", "2"],
      ["a", "3"],
    ],
    "b 2 | a 3",
  ],
  [
    "tabs",
    tab,
    "UMASK\t\t022 | x y",
    [
      ["UMASK", "027"],
      ["NEW", "a b"],
    ],
    "UMASK\t027 | x y | NEW\ta b",
  ],
  ["several spaces around =", equals, "x  =  1", [["x", "2"]], "x = 2"],
  ["equal except for spaces", equals, "x=1", [["x", "1"]], "x=1"],
  ["an empty value", equals, "x = 1", [["x", ""]], "x = "],
  ["an existing empty value", equals, "x =", [["x", ""]], "x ="],
  ["a value with =", equals, "", [["x", "a=b"]], "x = a=b"],
  ["no spaces", unspaced, "x=1 | x = 2", [["x", "3"]], "x=3 | x = 2"],
  ["a later line keeps its value", unspaced, "#x=1 | x=2 | #x=4", [["x", "3"]], "x=3 | # x=2 | #x=4"],
  ["different quotes are a different value", shell, "A='1'", [["A", "1"]], "A=1"],
  ["a later line keeps its quotes", shell, "A='1' | A='2'", [["A", "$x"]], `A="\\$x" | # A='2'`],
  ["export is not a setting", shell, "export A=1", [["A", "2"]], "export A=1 | A=2"],
  [
    "special characters of a shell",
    shell,
    "",
    [
      ["A", ""],
      ["B", 'a"`\\'],
    ],
    'A="" | B="a\\"\\`\\\\"',
  ],
];

for (const [title, style, before, pairs, after] of cases) {
  test(`${title}: ${before} + ${pairs.join("; ")}`, () => {
    const result = withSettings(lines(before), style, pairs);
    assert.deepEqual(result, lines(after));
    assert.deepEqual(withSettings(result, style, pairs), result, "a second time changes nothing");
  });
}
