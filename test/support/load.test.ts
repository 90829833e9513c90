import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import os from "node:os";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { MOST_PATIENCE, patience, promised, stopwatch, unhindered } from "./load";
import { until } from "./until";

const needsPressure = {
  skip: existsSync("/proc/pressure/cpu") ? false : "needs /proc/pressure/cpu",
};

test("time in which processes wait for a core counts a quarter", () => {
  assert.equal(unhindered({ wall: 1000, waited: 0 }), 1000);
  assert.equal(unhindered({ wall: 1000, waited: 400 }), 700);
  assert.equal(unhindered({ wall: 1000, waited: 1000 }), 1000 / MOST_PATIENCE);
  // The two are not read at the same instant.
  assert.equal(unhindered({ wall: 1000, waited: 1100 }), 1000 / MOST_PATIENCE);
});

test("a promise that is not kept fails, on busy cores too", async () => {
  const [kept, broken] = [promised(60, "this test"), promised(0.01, "nothing")];
  const elapsed = stopwatch();
  await until("20 ms", () => elapsed() > 20);
  kept();
  assert.throws(
    broken,
    /^AssertionError.*: nothing takes less than 0\.01 s; it took \d+\.\d\d s, 0\.\d\d s on idle cores$/,
  );
});

test("busy cores are noticed", needsPressure, async (t) => {
  const spin = "for (;;);";
  const busy = Array.from({ length: 2 * os.availableParallelism() }, () => new Worker(spin, { eval: true }));
  t.after(() => Promise.all(busy.map((worker) => worker.terminate())));
  const [started, elapsed] = [performance.now(), stopwatch()];
  await until("a difference of half a second", () => performance.now() - started - elapsed() > 500);
  await until("more patience", () => patience() > 1.1);
  assert.ok(patience() <= MOST_PATIENCE);
});
