import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { readText } from "../../../lib/util/read-text";

test("reads all text, also where a chunk ends inside a character", async () => {
  const bytes = Buffer.from("löcher 😀\n");
  const pieces = [...bytes].map((byte) => Buffer.from([byte]));
  assert.equal(await readText(Readable.from(pieces), 100), "löcher 😀\n");
  assert.equal(await readText(Readable.from([]), 0), "");
});

test("a stream over the limit is read no further", async () => {
  let produced = 0;
  async function* endless() {
    for (;;) {
      produced += 1;
      yield Buffer.alloc(1000, "x");
    }
  }
  const stream = Readable.from(endless());
  await assert.rejects(readText(stream, 10_000), {
    message: "the host printed more than the limit of 10000 bytes",
  });
  assert.ok(stream.destroyed);
  assert.ok(produced < 100, `${produced} chunks`);
});
