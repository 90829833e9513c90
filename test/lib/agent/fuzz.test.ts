/**
 * Random input where a host is listened to: frames on the wire, and what commands print. Seeded and bounded: 20 seconds.
 * FUZZ_SEED repeats a run, and is printed. `npm run fuzz` sends a million frames.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { packedProblem } from "../../../lib/agent/shared/packed";
import { decode, HOST_WIRE_LIMITS } from "../../../lib/agent/shared/wire";
import { StepOutput } from "../../../lib/engine/step-output";
import { failureOf, RunFailed } from "../../../lib/model/errors";
import type { StepEvent } from "../../../lib/model/events";
import { ProtocolViolation } from "../../../lib/model/host-events";
import { lastLine } from "../../../repl/views/_words";
import { random } from "../../support/random";
import { assertClean, lyingHost, ROUND_MS, text, UNSAFE } from "./_fuzzing";

const SECONDS = 20;
const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);

test("frames of hosts that lie", (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const until = performance.now() + SECONDS * 600;
  const reasons = new Set<string>();
  let [frames, hosts] = [0, 0];
  for (; performance.now() < until; hosts += 1) {
    const before = process.cpuUsage();
    const sent = lyingHost(random(SEED + hosts));
    frames += sent.frames;
    reasons.add(sent.reason.replace(/[^a-z ].*/s, ""));
    const took = process.cpuUsage(before).user / 1000;
    assert.ok(took < ROUND_MS, `host ${hosts} of seed ${SEED} took ${took} ms of CPU time`);
  }
  t.diagnostic(`${frames} frames of ${hosts} hosts, given up for ${reasons.size} kinds of reasons`);
  assert.ok(reasons.size > 3);
});

test("bytes that are no message", (t) => {
  const until = performance.now() + SECONDS * 150;
  let count = 0;
  for (const on = random(SEED); performance.now() < until; count += 1) {
    const bytes = Buffer.from(
      Array.from({ length: on.below(40) }, () => on.pick([on.below(256), 0xdd, 0xdf, 0x91, 0xff, 0])),
    );
    const problem = packedProblem(bytes, { values: 100, depth: 10 });
    const body = Buffer.concat([Buffer.from([0xc5, 0, 0, 0, 0, bytes.length]), bytes]);
    try {
      decode(body, HOST_WIRE_LIMITS);
    } catch (error) {
      assert.ok(error instanceof ProtocolViolation);
      continue;
    }
    if (problem !== undefined) assert.match(problem, /^a message (of more than|nested deeper than)/);
  }
  t.diagnostic(`${count} messages`);
});

test("what commands print", (t) => {
  const until = performance.now() + SECONDS * 250;
  let count = 0;
  for (const on = random(SEED); performance.now() < until; count += 1) {
    const before = process.cpuUsage();
    const printed = Array.from({ length: on.below(5) }, () => text(on));
    const events: StepEvent[] = [];
    const output = new StepOutput(1, (each) => events.push(each));
    for (const each of printed) output.add(on.pick(["stdout", "stderr"]), each);
    output.end();
    assertClean(events);
    const all = printed.join("");
    const failed = new RunFailed(text(on), { exit: 1, stdout: on.chance(0.5) ? all : "", stderr: all });
    assert.ok(!UNSAFE.test(failed.message.split("code 1").slice(1).join("")), "the last line is clean");
    assertClean(lastLine(all));
    assert.ok(JSON.stringify(failureOf(failed)).length < 20 * (all.length + 100_000));
    assert.ok(process.cpuUsage(before).user / 1000 < ROUND_MS);
  }
  t.diagnostic(`${count} outputs`);
});
