import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { prepare } from "../../lib/engine/prepare";
import { file } from "../../properties";

const begin = "# BEGIN the shop\n";
const end = "# END the shop\n";

test("hasBlock: added, replaced where it stands, deleted", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain, unapply }) => {
    const content = () => readFileSync(`${dir}/f`, "utf8");
    writeFileSync(`${dir}/f`, "one\n");
    const block = file.hasBlock("f", "the shop", ["a", "", "b"]);
    assert.equal(await apply(block), "changed");
    assert.equal(content(), `one\n${begin}a\n\nb\n${end}`);
    await applyAgain(block);
    writeFileSync(`${dir}/f`, `${content()}two\n`);
    const other = file.hasBlock("f", "the shop", "c\nd\n");
    assert.equal(await apply(other), "changed");
    assert.equal(content(), `one\n${begin}c\nd\n${end}two\n`);
    const first = file.hasBlock("f", "head", ["x"], { comment: "//", at: "beginning" });
    assert.equal(await apply(first), "changed");
    assert.equal(content(), `// BEGIN head\nx\n// END head\none\n${begin}c\nd\n${end}two\n`);
    assert.equal(await unapply(first), "changed");
    assert.equal(await unapply(other), "changed");
    assert.equal(await unapply(other), "unchanged");
    assert.equal(content(), "one\ntwo\n");
    assert.equal(await apply(file.hasBlock("a/g", "the shop", ["x"])), "changed");
    assert.equal(readFileSync(`${dir}/a/g`, "utf8"), `${begin}x\n${end}`);
  }));

test("hasBlock: a file in which the block is not clear is left alone", (t) =>
  onBothTargets(t, async ({ dir, apply }) => {
    for (const [text, seen] of [
      [`${begin}a\n`, '"# BEGIN the shop" in line 1'],
      [`${end}${begin}`, '"# END the shop" in line 1, "# BEGIN the shop" in line 2'],
      [
        `${begin}${end}x\n${begin}${end}`,
        '"# BEGIN the shop" in line 1, "# END the shop" in line 2, "# BEGIN the shop" in line 4, "# END the shop" in line 5',
      ],
    ] as const) {
      writeFileSync(`${dir}/f`, text);
      await assert.rejects(apply(file.hasBlock("f", "the shop", ["b"])), {
        name: "AbortedChange",
        message: `where the block "the shop" of f begins and ends is not clear: there is ${seen}; correct the file by hand`,
      });
      assert.equal(readFileSync(`${dir}/f`, "utf8"), text);
    }
  }));

test("hasBlock: validate judges the whole file", (t) =>
  onBothTargets(t, async ({ dir, apply }) => {
    writeFileSync(`${dir}/f`, "one\n");
    const block = (line: string) => file.hasBlock("f", "the shop", [line], { validate: "! grep -q bad %s" });
    await assert.rejects(apply(block("bad")), { name: "AbortedChange" });
    assert.equal(await apply(block("good")), "changed");
    assert.equal(readFileSync(`${dir}/f`, "utf8"), `one\n${begin}good\n${end}`);
  }));

test("hasBlock: lines that mark the block are refused before connecting", () => {
  assert.throws(
    () => prepare({ name: "web1.example.org" }, file.hasBlock("/f", "x", ["# END x"])),
    /the line "# END x" marks the block itself; leave it out of the lines/,
  );
});
