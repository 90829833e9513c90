import assert from "node:assert/strict";
import test from "node:test";
import { statementLines } from "../../repl/_language";
import { pastedInputs, pastedPart, withoutPasteMarks } from "../../repl/_paste";
import { commandAt } from "../../repl/playbook";

const split = (text: string) =>
  pastedInputs(text, statementLines, (lines, index) => commandAt(lines, index) !== undefined);
const complete = (...texts: string[]) => texts.map((text) => ({ text, complete: true }));

const cases: [pasted: string, expected: ReturnType<typeof split>][] = [
  ["[1, 2]\n.map(f)\nx\n", complete("[1, 2]\n.map(f)", "x")],
  ["[1, 2]\r  .map(f)\r", complete("[1, 2]\n  .map(f)")],
  ["if (a) {\n\tb()\n}\nelse {\n  c()\n}\n", complete("if (a) {\n\tb()\n}\nelse {\n  c()\n}")],
  ["const a = 1; const b = 2\na + b\n", complete("const a = 1; const b = 2", "a + b")],
  [
    "// why\n# and how\ndeploy(here)\n\n.report\n.doc file.hasMode\n",
    complete("deploy(here)", ".report", ".doc file.hasMode"),
  ],
  [
    "a\nb",
    [
      { text: "a", complete: true },
      { text: "b", complete: false },
    ],
  ],
  ["a\n.then(b)", [{ text: "a\n.then(b)", complete: false }]],
  // What does not parse is one input: its error has the right line, or it goes on.
  ["a\nfunction f() {\n", complete("a\nfunction f() {")],
  ["a\nconst b = ;\n", complete("a\nconst b = ;")],
];
for (const [pasted, expected] of cases)
  test(`the inputs in ${JSON.stringify(pasted)}`, () => assert.deepEqual(split(pasted), expected));

test("typed keys are told from pasted text", () => {
  const part = (keys: string) => pastedPart(Buffer.from(keys));
  assert.equal(part("deploy(here)\r"), undefined);
  assert.equal(part("file.hasMo\t"), undefined);
  assert.equal(part("a\u007fb\rc\r"), undefined, "the user has typed ahead, and erased a letter");
  assert.deepEqual(part("a\rb\r"), { text: "a\rb\r", length: 4 });
  assert.deepEqual(part("\u001b[200~a\tb\u001b[201~\r"), { text: "a\tb", length: 15 });
  assert.equal(part("\u001b[200~a\rb"), "unfinished");
  assert.equal(withoutPasteMarks(Buffer.from("\u001b[200~häsh\u001b[201~")).toString(), "häsh");
});
