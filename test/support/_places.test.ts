import assert from "node:assert/strict";
import { test } from "node:test";
import { Places } from "./_places";

/** A computer of two cores, and its clock. */
function computer(cores = 2) {
  const state = { now: 0, idle: 0, available: 8e9 };
  return {
    cores,
    now: () => state.now,
    times: () => ({ idle: state.idle, all: cores * state.now }),
    available: () => state.available,
    /** Passes time, in which this share of all cores was idle. */
    pass: (milliseconds: number, share: number) => {
      state.now += milliseconds;
      state.idle += cores * milliseconds * share;
    },
    state,
  };
}

test("as many files as there are cores start at once, but two on one core and four on many", () => {
  assert.deepEqual(
    [1, 2, 3, 16].map((cores) => new Places(computer(cores)).now(0)),
    [2, 2, 3, 4],
  );
});

test("another one starts when cores were idle since the last one has", () => {
  const two = computer();
  const places = new Places(two);
  assert.equal(places.now(1), 2);
  two.pass(1000, 1);
  assert.equal(places.now(2), 2, "it is not known yet what the second needs");
  two.pass(2000, 0.5);
  assert.equal(places.now(2), 3);
  assert.equal(places.now(3), 3, "what the third needs is not known yet");
  two.pass(3000, 0.1);
  assert.equal(places.now(3), 3);
  two.pass(3000, 0.5);
  assert.equal(places.now(3), 4);
});

test("none starts on busy cores, without memory, or beside four for each core", () => {
  const two = computer();
  const places = new Places(two);
  two.pass(60_000, 0);
  assert.equal(places.now(2), 2);
  two.pass(3000, 1);
  two.state.available = 1e9;
  assert.equal(places.now(2), 2);
  two.state.available = 8e9;
  two.pass(3000, 1);
  assert.equal(places.now(8), 8);
});
