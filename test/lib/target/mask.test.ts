/** What is shown of a command whose input is a secret. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../../lib/model/secret";
import { Mask } from "../../../lib/target/mask";

test("a secret, and each line of it, is replaced", () => {
  const mask = new Mask(new Secret("ana:correct horse\r\n\n  second line \nab\n"));
  assert.equal(mask.in("ana:correct horse\n"), "[secret]\n");
  assert.equal(mask.in("line 2: second line, refused"), "line 2: [secret], refused");
  assert.equal(mask.in("ab is too short to be one"), "ab is too short to be one");
});

test("of a large one, whole lines are replaced", () => {
  const lines = Array.from({ length: 5000 }, (_, at) => `line ${at} of the large file`);
  const mask = new Mask(new Secret(lines.join("\n")));
  assert.equal(mask.in("x\nline 17 of the large file\r\nline 17\n"), "x\n[secret]\r\nline 17\n");
});

test("output is passed on line by line, so that no piece hides a part", () => {
  const shown: string[] = [];
  const passing = new Mask(new Secret("correct horse")).passing((stream, text) =>
    shown.push(`${stream} ${text}`),
  );
  for (const text of ["it is corr", "ect hor", "se\nand ", "more"]) passing.output("stdout", text);
  passing.output("stderr", "no line br");
  assert.deepEqual(shown, ["stdout it is [secret]\n"]);
  passing.end();
  assert.deepEqual(shown.slice(1), ["stdout and more", "stderr no line br"]);
});
