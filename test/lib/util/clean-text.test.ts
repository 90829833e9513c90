import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cleanLine, cleanText, TextCleaner, visibleText } from "../../../lib/util/clean-text";

const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

const cases: readonly (readonly [name: string, text: string, clean: string])[] = [
  ["plain text", "löcher\tin 日本 😀\n\n", "löcher\tin 日本 😀\n\n"],
  ["colours", "\u001b[1;31mred\u001b[0m", "red"],
  ["a cleared screen and a moved cursor", "a\u001b[2J\u001b[1;1Hb", "ab"],
  ["the alternate screen", "\u001b[?1049hx\u001b[?1049l", "x"],
  ["a control sequence with intermediate characters", "a\u001b[0 qb\u001b[!pc", "abc"],
  ["a title, ended by BEL", "a\u001b]0;title\u0007b", "ab"],
  ["a title, ended by ST", "a\u001b]0;title\u001b\\b", "ab"],
  ["a clipboard, ended by C1 ST", "a\u001b]52;c;cm0gLXJm\u009cb", "ab"],
  ["a string that does not end", "a\u001b]0;title\nb", "a\nb"],
  ["DCS, SOS, PM and APC", "a\u001bPq\u001b\\b\u001bXq\u001b\\c\u001b^q\u001b\\d\u001b_q\u001b\\e", "abcde"],
  ["C1 controls", "a\u009b31mb\u009d0;title\u0007c\u0090q\u009cd\u0085e\u008ef", "abcdef"],
  ["a reset, a saved cursor, a character set", "\u001bca\u001b7b\u001b(0c\u001b#8d", "abcd"],
  ["a lone ESC, and one before another", "a\u001b", "a"],
  ["two ESC", "a\u001b\u001b[31mb", "ab"],
  ["an incomplete control sequence", "a\u001b[31", "a"],
  ["a control sequence broken by a line", "a\u001b[31\nb", "a\nb"],
  ["C0 and DEL", "a\u0000b\u0007c\u0008d\u000be\u000cf\u007fg", "abcdefg"],
  ["line ends of Windows", "a\r\nb\r\r\nc", "a\nb\nc"],
  ["a line overwritten from its beginning", "failed\rok    ", "failed\nok    "],
  ["a right-to-left override", "a\u202Egnp.exe\u202c", "a<U+202E>gnp.exe<U+202C>"],
  ["isolates and marks", "\u2066a\u2069\u200e\u061c", "<U+2066>a<U+2069><U+200E><U+061C>"],
];

describe("text is cleaned of", () => {
  for (const [name, text, clean] of cases) {
    test(name, () => {
      assert.equal(cleanText(text), clean);
      assert.equal(cleanText(clean), clean, "clean text stays as it is");
    });
  }
});

test("in pieces, the result is the same wherever the text is split", () => {
  for (const [name, text, clean] of cases) {
    for (let at = 0; at <= text.length; at++) {
      const cleaner = new TextCleaner();
      const pieces = cleaner.add(text.slice(0, at)) + cleaner.add(text.slice(at));
      assert.equal(pieces, clean, `${name}, at ${at}`);
    }
  }
});

test("a string that never ends does not hide what follows for long", () => {
  const cleaner = new TextCleaner();
  assert.equal(cleaner.add("\u001b]0;x"), "");
  assert.equal(cleaner.add("y".repeat(300)), "");
  assert.equal(cleaner.add("seen"), "seen");
});

test("on one line, line breaks are shown", () => {
  assert.equal(cleanLine("one"), "one");
  assert.equal(cleanLine(" one \n\n\ttwo\rthree\n"), "one ⏎ two ⏎ three");
});

test("takes linear time", () => {
  const hostile = [
    ..."\u001b \u009d \r \u001b[ \u001b] \u001bP \u202e / [ ( \u0000 \n".split(" "),
    ...["\u001b]0;", "\u001b[0;", "\u001b[ ", "\u001b(", " \n", "a\u001b"],
  ];
  for (const unit of hostile) {
    const text = unit.repeat(Math.ceil(500_000 / Math.max(1, unit.length)));
    // Of this process alone: others may use both cores.
    const before = process.cpuUsage();
    assert.doesNotMatch(cleanText(text), UNSAFE);
    assert.doesNotMatch(cleanLine(text), UNSAFE);
    const took = process.cpuUsage(before).user / 1000;
    assert.ok(took < 2000, `${JSON.stringify(unit)}: ${took} ms of CPU time`);
  }
});

test("visible text: control characters are shown, and nothing is removed", () => {
  assert.equal(visibleText("a\tb\n"), "a\tb\n");
  assert.equal(visibleText("a\r\n\u001b[31m\u0007\u007f\u0000"), "a␍\n␛[31m␇␡␀");
  assert.equal(visibleText("\u009b31m \u202e \u200f"), "<U+009B>31m <U+202E> <U+200F>");
  assert.equal(visibleText(visibleText("\r\u202e")), "␍<U+202E>");
});
