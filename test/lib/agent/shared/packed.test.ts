import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Packr } from "msgpackr";
import { packedProblem } from "../../../../lib/agent/shared/packed";

const packr = new Packr({ useRecords: false, moreTypes: false });
const limits = { values: 1000, depth: 10 };
const problem = (...bytes: number[]) => packedProblem(Buffer.from(bytes), limits);

describe("what our packer writes is accepted", () => {
  const values: readonly unknown[] = [
    ...[null, true, false, 0, -1, -32, -33, 127, 128, 255, 256, 65536, 2 ** 31, 2 ** 40, -(2 ** 40), 0.5],
    ...["", "short", "x".repeat(40), "é".repeat(300), "y".repeat(70_000)],
    ...[Buffer.alloc(0), Buffer.alloc(300), Buffer.alloc(70_000)],
    ...[[], [1, [2, [3]]], Array(20).fill(1), {}, { a: { b: undefined } }, [undefined]],
    Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`key ${index}`, index])),
  ];
  for (const [index, value] of values.entries()) {
    test(`${index}: ${JSON.stringify(value)?.slice(0, 30)}`, () =>
      assert.equal(packedProblem(packr.pack(value), limits), undefined));
  }
});

describe("a message is refused", () => {
  const early = "a message that ends too early";
  const cases: readonly (readonly [name: string, found: string | undefined, expected: string])[] = [
    ["without any byte", problem(), "a message that is incomplete or contains an unknown type"],
    ["that claims 4 billion elements", problem(0xdd, 0xff, 0xff, 0xff, 0xff), early],
    ["that claims 4 billion fields", problem(0xdf, 0xff, 0xff, 0xff, 0xff), early],
    ["that claims 4 GB of bytes", problem(0xc6, 0xff, 0xff, 0xff, 0xff), early],
    ["that claims 4 GB of text", problem(0xdb, 0xff, 0xff, 0xff, 0xff, 0x61), early],
    ["that ends in a size", problem(0xdd, 0xff), "a message that is incomplete or contains an unknown type"],
    ["that ends in a number", problem(0xcf, 1), early],
    ["with two values", problem(1, 2), "a message with bytes after its end"],
    [
      "with an extension",
      problem(0xc7, 1, 0x73, 0),
      "a message that is incomplete or contains an unknown type",
    ],
    [
      "with a date",
      problem(0xd6, 0xff, 0, 0, 0, 0),
      "a message that is incomplete or contains an unknown type",
    ],
    [
      "of too many values",
      packedProblem(packr.pack(Array(2000).fill(null)), limits),
      "a message of more than 1000 values",
    ],
    ["nested too deep", problem(...Array<number>(20).fill(0x91), 1), "a message nested deeper than 10"],
  ];
  for (const [name, found, expected] of cases) test(name, () => assert.equal(found, expected));
});
