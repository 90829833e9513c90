import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode, splitLines } from "../../../lib/target/text";

test("text of any bytes comes back as it was", () => {
  const samples = [
    Buffer.from(""),
    Buffer.from("ASCII\r\n\0"),
    Buffer.from("é € 😀 \ufeff \ufffd"),
    Buffer.from("\ufeffwith a mark"),
    Buffer.from([0xff, 0x41, 0xc3, 0xa9, 0xc3]),
    Buffer.from([0xed, 0xb2, 0x80, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]),
    Buffer.from([0xc0, 0x80, 0xf5, 0x80, 0x80, 0x80, 0xe0, 0x80, 0x80]),
    Buffer.from(Array.from({ length: 512 }, (_, at) => at % 256)),
  ];
  for (const bytes of samples) assert.deepEqual(encode(decode(bytes)), bytes);
  assert.equal(decode(Buffer.from([0xff, 0xc3, 0xa9])), "\udcffé");
  assert.equal(encode("😀\ud83d").toString("utf8"), "😀\ufffd");
});

const splits: readonly (readonly [text: string, lines: string[], joined: string])[] = [
  ["", [], ""],
  ["\n", [""], "\n"],
  ["a\nb\n", ["a", "b"], "a\nb\n"],
  ["a\nb", ["a", "b"], "a\nb\n"],
  ["a\r\nb", ["a", "b"], "a\r\nb\r\n"],
  ["a\rb\r", ["a", "b"], "a\rb\r"],
  ["a\rb\nc", ["a\rb", "c"], "a\rb\nc\n"],
  ["a\r\nb\nc\r\n", ["a", "b", "c"], "a\r\nb\nc\r\n"],
];

test("lines, and the text they make again", () => {
  for (const [text, lines, joined] of splits) {
    const split = splitLines(text);
    assert.deepEqual(split.lines, lines, JSON.stringify(text));
    assert.equal(split.join(lines), joined, JSON.stringify(text));
  }
  assert.equal(splitLines("a\r\nb\r\nc\n").join(["c", "new", "a"]), "c\nnew\r\na\r\n");
});
