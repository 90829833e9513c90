import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { StepOutput } from "../../../lib/engine/step-output";
import type { StepEvent } from "../../../lib/model/events";
import { EXCERPT } from "../../../lib/util/excerpt";

function outputOf(...pieces: (readonly ["stdout" | "stderr", string])[]) {
  const events: StepEvent[] = [];
  let now = 0;
  const output = new StepOutput(
    7,
    (event) => events.push(event),
    () => now,
  );
  for (const [stream, text] of pieces) {
    output.add(stream, text);
    now += 400;
  }
  output.end();
  const texts = events.flatMap((event) => (event.kind === "step-output" ? [event.text] : []));
  const previews = events.flatMap((event) => (event.kind === "step-preview" ? [event.text] : []));
  return { events, text: texts.join(""), previews };
}

describe("the output of a step", () => {
  test("is reported as it is printed", () => {
    const { events } = outputOf(["stdout", "one\n"], ["stderr", "two\n"]);
    assert.deepEqual(events, [
      { kind: "step-output", step: 7, stream: "stdout", text: "one\n" },
      { kind: "step-output", step: 7, stream: "stderr", text: "two\n" },
    ]);
  });

  test("is complete up to a megabyte", () => {
    const first = "a".repeat(EXCERPT - 10);
    const second = "b".repeat(EXCERPT + 10);
    const { text, previews } = outputOf(["stdout", first], ["stdout", second]);
    assert.equal(text, first + second);
    assert.equal(previews.length, 1);
  });

  test("above that is its beginning and end, with an occasional line in between", () => {
    const line = (n: number) => `line ${n} ${"x".repeat(10_000)}\n`;
    const pieces = Array.from({ length: 1000 }, (_, n) => ["stdout", line(n)] as const);
    const { text, previews } = outputOf(...pieces);
    assert.ok(text.startsWith(line(0)) && text.endsWith(line(998) + line(999)));
    assert.ok(text.length < 2 * EXCERPT + 20_000, `${text.length}`);
    assert.deepEqual(text.match(/\n… .* …\n/g), ["\n… 9.0 MB of output omitted …\n"]);
    assert.equal(previews.length, Math.ceil((1000 - 52) / 3), "a second is three pieces of 400 ms");
    assert.ok(previews.every((each) => each.length === 200 && each.startsWith("line ")));
  });

  test("does not split characters, and keeps the streams apart", () => {
    const { events, text } = outputOf(
      ["stdout", `${"a".repeat(EXCERPT - 1)}😀`],
      ["stderr", "no\n"],
      ["stdout", `😀${"b".repeat(EXCERPT - 1)}`],
    );
    assert.ok(text.isWellFormed());
    assert.deepEqual(
      events.map((event) => ("stream" in event ? `${event.stream} ${event.text.length}` : event.kind)),
      ["stdout 524287", "step-preview", "stdout 28", "stdout 524289"],
    );
    assert.match(text, /a\n… 1 kB of output omitted …\n😀b/u);
  });
});
