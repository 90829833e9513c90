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

/** Lines are written `a | b`; an empty one as nothing between bars. */
const lines = (text: string): string[] => (text === "" ? [] : text.split(" | "));

const cases: readonly (readonly [
  what: string,
  style: ConfStyle,
  before: string,
  pairs: readonly Pair[],
  after: string,
])[] = [
  [
    "the specification's vector",
    space,
    "#Color yes | Color no | Depth 3 | #Depth 4",
    [
      ["Color", "auto"],
      ["Width", "80"],
    ],
    "Color auto | # Color no | Depth 3 | #Depth 4 | Width 80",
  ],
  [
    "the specification's vector",
    equals,
    "alpha=1 | # beta = 2 | beta = 3 | gamma=4",
    [
      ["beta", "9"],
      ["delta", "x y"],
    ],
    "alpha=1 | beta = 9 | # beta = 3 | gamma=4 | delta = x y",
  ],
  [
    "the specification's vector",
    shell,
    `# NAME='old one' | OTHER="keep me"`,
    [
      ["NAME", "new one"],
      ["PLAIN", "a/b:c"],
    ],
    `NAME="new one" | OTHER="keep me" | PLAIN=a/b:c`,
  ],
  [
    "a value beside its documentation",
    space,
    "#Port 22 | Port 2222",
    [["Port", "22"]],
    "Port 22 | # Port 2222",
  ],
  [
    "already so: nothing is swapped",
    space,
    "#Port 22 | Port 2222",
    [["Port", "2222"]],
    "#Port 22 | Port 2222",
  ],
  ["already so, with other blanks", space, "Port    22  ", [["Port", "22"]], "Port    22  "],
  ["two active lines are not so", space, "Port 22 | Port 22", [["Port", "22"]], "Port 22 | # Port 22"],
  [
    "other lines stay as they are",
    space,
    "z    9 | #q   1 | ## r  2 | #  some   words",
    [["Port", "22"]],
    "z    9 | #q   1 | ## r  2 | #  some   words | Port 22",
  ],
  [
    "prose is not taken for a setting",
    space,
    "# Port is the number | # Port 2222",
    [["Port", "22"]],
    "# Port is the number | Port 22",
  ],
  ["prose alone", space, "# Port is the number", [["Port", "22"]], "# Port is the number | Port 22"],
  [
    "as many words as are wanted",
    space,
    "# Log to file | #Log x",
    [["Log", "to syslog"]],
    "Log to syslog | #Log x",
  ],
  ["a marker at the key needs no counting", space, "#Port is the number", [["Port", "22"]], "Port 22"],
  ["repeated markers", space, "## Port 1", [["Port", "22"]], "Port 22"],
  ["an indented line is another thing", space, "  Port 1", [["Port", "22"]], "  Port 1 | Port 22"],
  ["keys know case", space, "port 1", [["Port", "22"]], "port 1 | Port 22"],
  ["a key without value", space, "Port", [["Port", "22"]], "Port | Port 22"],
  [
    "one key twice",
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
  ["several blanks around =", equals, "x  =  1", [["x", "2"]], "x = 2"],
  ["equal but for blanks", equals, "x=1", [["x", "1"]], "x=1"],
  ["an empty value", equals, "x = 1", [["x", ""]], "x = "],
  ["an empty value that is there", equals, "x =", [["x", ""]], "x ="],
  ["a value with =", equals, "", [["x", "a=b"]], "x = a=b"],
  ["no blanks", unspaced, "x=1 | x = 2", [["x", "3"]], "x=3 | x = 2"],
  ["a later one keeps its value", unspaced, "#x=1 | x=2 | #x=4", [["x", "3"]], "x=3 | # x=2 | #x=4"],
  ["other quotes are another value", shell, "A='1'", [["A", "1"]], "A=1"],
  ["a later one keeps its quotes", shell, "A='1' | A='2'", [["A", "$x"]], `A="\\$x" | # A='2'`],
  ["export is another thing", shell, "export A=1", [["A", "2"]], "export A=1 | A=2"],
  [
    "what a shell would read",
    shell,
    "",
    [
      ["A", ""],
      ["B", 'a"`\\'],
    ],
    'A="" | B="a\\"\\`\\\\"',
  ],
];

for (const [what, style, before, pairs, after] of cases) {
  test(`${what}: ${before} + ${pairs.join("; ")}`, () => {
    const result = withSettings(lines(before), style, pairs);
    assert.deepEqual(result, lines(after));
    assert.deepEqual(withSettings(result, style, pairs), result, "a second time changes nothing");
  });
}
