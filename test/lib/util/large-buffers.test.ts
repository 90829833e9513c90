/** Large buffers that are used once do not add up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { passedOn, release } from "../../../lib/util/large-buffers";

const MIB = 1024 * 1024;
const buffers = () => process.memoryUsage().arrayBuffers / MIB;

/** The most memory of buffers, in megabytes, while 200 of one megabyte are used in a row, two at a time. */
async function most(used: (bytes: number) => void): Promise<number> {
  let [peak, last] = [0, Buffer.allocUnsafeSlow(MIB)];
  for (let count = 0; count < 200; count++) {
    const next = Buffer.allocUnsafeSlow(MIB);
    last.copy(next);
    used(MIB);
    last = next;
    await setImmediate();
    peak = Math.max(peak, buffers());
  }
  return peak;
}

test("buffers that were passed on are collected long before V8 does it by itself", async () => {
  const before = buffers();
  const peak = (await most(passedOn)) - before;
  assert.ok(peak < 24, `${peak} MiB`);
});

test("a released buffer has no memory, and small ones make no difference", () => {
  const large = Buffer.allocUnsafeSlow(64 * MIB);
  const before = buffers();
  release(large);
  assert.equal(large.length, 0);
  assert.ok(before - buffers() > 60, `${before} and ${buffers()} MiB`);
  for (let count = 0; count < 1000; count++) passedOn(1000);
});
