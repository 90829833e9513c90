import assert from "node:assert/strict";
import { test } from "node:test";
import { excerptOf, OutputBuffer } from "../../../lib/util/excerpt";

test("an output buffer keeps all output of a command, or its beginning and end", () => {
  const all = new OutputBuffer();
  const some = new OutputBuffer(10);
  for (const text of ["01234567", "89ab", "cdefg", "hijklmn", "opqrs", "tuvwx"]) {
    all.add(Buffer.from(text));
    some.add(Buffer.from(text));
  }
  assert.equal(all.bytes().toString(), "0123456789abcdefghijklmnopqrstuvwx");
  assert.equal(some.bytes().toString(), "0123456789\n… 1 kB of output omitted …\nopqrstuvwx");
});

test("a long text is cut to its beginning and end", () => {
  assert.equal(excerptOf("short"), "short");
  assert.match(excerptOf(`a${"x".repeat(3e6)}z`), /^ax+\n… 2\.0 MB of output omitted …\nx+z$/);
});
