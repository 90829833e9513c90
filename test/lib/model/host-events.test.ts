import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StepEvent } from "../../../lib/model/events";
import {
  cleanEvent,
  cleanFailure,
  cleanName,
  cleanOutcome,
  cleanReason,
  HOST_LIMITS,
  HostEvents,
  ProtocolViolation,
} from "../../../lib/model/host-events";

const started = (step: number, more: object = {}) => ({
  kind: "step-started",
  step,
  property: "cmd.single",
  desc: `step ${step}`,
  site: "hosts/web1.ts:1:1",
  ...more,
});
const printed = (step: number, text: string) => ({ kind: "step-output", step, stream: "stdout", text });
const ended = (step: number, more: object = {}) => ({
  kind: "step-ended",
  step,
  status: "changed",
  ms: 1,
  ...more,
});

/** What is admitted of `events`, in order. */
const admitted = (...events: readonly unknown[]): StepEvent[] => {
  const door = new HostEvents("web1");
  return events.flatMap((event) => door.admit(event));
};

const refused = (message: string, ...events: readonly unknown[]) =>
  assert.throws(
    () => admitted(...events),
    (error) => {
      assert.ok(error instanceof ProtocolViolation);
      assert.equal(error.message, message);
      return true;
    },
  );

test("events as an agent sends them are admitted unchanged", () => {
  const failure = {
    name: "RunFailed",
    message: "`x` ended with exit code 1: no",
    stack: "    at f (hosts/web1.ts:1:1)",
    command: { command: "x", exit: 1, stdout: "", stderr: "no\n" },
  };
  const events = [
    { kind: "hop-opening", hop: "via.sudo()" },
    { kind: "hop-opened", hop: "via.sudo()", ms: 2.5, reused: false },
    { kind: "upload", what: "Node 24", sent: 1, total: 2 },
    { kind: "waiting", reason: "ana@laptop deploys" },
    { kind: "notice", text: "two\nlines" },
    started(1),
    started(2, { parent: 1 }),
    printed(2, "one\n"),
    { kind: "step-preview", step: 2, text: "more" },
    { kind: "command-ran", step: 2, command: "x", exit: 1, ms: 3 },
    { kind: "command-ran", command: "y", ms: 3 },
    ended(2, { status: "failed", failure }),
    printed(2, "after its end\n"),
    ended(1, { status: "skipped", reason: "why" }),
  ];
  assert.deepEqual(admitted(...events), events);
});

describe("a host cannot speak for another", () => {
  test("fields that an event does not have are dropped", () => {
    const forged = { ...started(1), host: "web2", deployment: "other", v: 7, __proto__: { polluted: true } };
    assert.deepEqual(admitted(forged), [started(1)]);
  });

  for (const kind of ["deployment-started", "deployment-ended", "constructor", "later", 7, undefined]) {
    test(`an event of the kind ${kind} is refused`, () =>
      refused(`an event of the kind ${JSON.stringify(kind)}`, {
        kind,
        status: "changed",
        ms: 0,
        hops: [],
        steps: 0,
        at: "",
      }));
  }
});

describe("what the protocol does not allow is refused", () => {
  const cases: readonly (readonly [message: string, ...events: readonly unknown[]])[] = [
    ["an event that is null", null],
    ["an event that is a list", []],
    ['an event that is "text"', "text"],
    ['an event "step-started" whose step is -1, expected an integer from 0', started(-1)],
    ['an event "step-started" whose step is 0.5, expected an integer from 0', started(0.5)],
    ['an event "step-started" whose desc is 7, expected text', started(1, { desc: 7 })],
    ['an event "step-started" whose site is a list, expected text', started(1, { site: [] })],
    ['an event "step-started" whose parent is "1", expected an integer from 0', started(2, { parent: "1" })],
    [
      'an event "step-output" whose stream is "both", expected stdout or stderr',
      started(1),
      { ...printed(1, ""), stream: "both" },
    ],
    [
      'an event "step-ended" whose status is "fine", expected unchanged or changed or failed or skipped',
      started(1),
      ended(1, { status: "fine" }),
    ],
    [
      'an event "step-ended" whose failure is an object, expected an object',
      started(1),
      ended(1, { failure: { name: 1 } }),
    ],
    [
      'an event "hop-opened" whose ms is null, expected a number from 0',
      { kind: "hop-opened", hop: "", ms: null, reused: true },
    ],
    ["the start of step 1 twice", started(1), started(1)],
    ["the end of step 1 twice", started(1), ended(1), ended(1)],
  ];
  for (const [message, ...events] of cases) test(message, () => refused(message, ...events));

  test("steps inside steps without end", () => {
    const nested = Array.from({ length: 200 }, (_, index) =>
      started(index + 1, index > 0 ? { parent: index } : {}),
    );
    refused("steps inside steps, over the limit of 100", ...nested);
  });
});

test("events of steps that did not start are dropped: their start may be lost", () => {
  const inside = started(2, { parent: 9 });
  assert.deepEqual(admitted(printed(1, "x"), ended(1), inside, started(3, { parent: 3 })), [
    started(2),
    started(3),
  ]);
});

describe("memory is bounded", () => {
  test("output over the limit is left out, with one notice", () => {
    const chunk = "x".repeat(1024 * 1024);
    const door = new HostEvents("web1");
    let characters = 0;
    const notices: StepEvent[] = [];
    for (let step = 1; step <= 200; step++) {
      for (const event of [started(step), printed(step, chunk), ended(step)].flatMap((each) =>
        door.admit(each),
      )) {
        if (event.kind === "step-output") characters += event.text.length;
        if (event.kind === "notice") notices.push(event);
      }
    }
    assert.ok(characters <= HOST_LIMITS.output && characters > HOST_LIMITS.output / 2);
    assert.deepEqual(notices, [
      {
        kind: "notice",
        text: "web1 printed more than 64 MB in this deployment; some of the output is not shown",
      },
    ]);
    const command = { command: "x", exit: 1, stdout: chunk, stderr: chunk };
    const failure = { name: "RunFailed", message: "failed", command };
    assert.deepEqual(
      [started(300), ended(300, { failure })].flatMap((each) => door.admit(each)),
      [
        started(300),
        ended(300, { failure: { ...failure, command: { ...command, stdout: "", stderr: "" } } }),
      ],
    );
  });

  test("endless output of one step", () => {
    const endless = Array.from({ length: 20 }, () => printed(1, "x".repeat(1024 * 1024)));
    refused("more output of step 1 than the limit of 8388608 characters", started(1), ...endless);
  });

  test("endless notices, and endless waiting", () => {
    const endless = [
      { kind: "notice", text: "x".repeat(16_000) },
      { kind: "waiting", reason: "wait" },
    ];
    for (const event of endless) {
      const door = new HostEvents("web1");
      assert.throws(
        () => {
          for (;;) door.admit(event);
        },
        { message: "more than the limit of 64 MB of events in one deployment" },
      );
    }
  });

  test("endless steps", () => {
    const door = new HostEvents("web1");
    assert.throws(
      () => {
        for (let step = 1; ; step++) door.admit(started(step));
      },
      { message: "more than the limit of 100000 steps" },
    );
  });
});

describe("text is cut and cleaned", () => {
  const dirt = "\u001b]0;title\u0007\u001b[2J\u202e";
  test("in each field", () => {
    const dirty = started(1, { property: `p${dirt}`, desc: `d${dirt}\n+ forged`, site: `s${dirt}` });
    assert.deepEqual(cleanEvent(dirty as StepEvent), {
      ...started(1),
      property: "p<U+202E>",
      desc: "d<U+202E> ⏎ + forged",
      site: "s<U+202E>",
    });
  });

  test("a failure, with its command and its stack", () => {
    const dirty = {
      name: `N${dirt}`,
      message: `m${dirt}\nsecond`,
      stack: `Error: m\n    at f${dirt} (a.ts:1:1)\nforged line\n    at g (b.ts:2:2)`,
      command: { command: `c${dirt}`, exit: 1, stdout: `o${dirt}\n`, stderr: "e\r\n" },
    };
    assert.deepEqual(cleanFailure(dirty), {
      name: "N<U+202E>",
      message: "m<U+202E>\nsecond",
      stack: "    at f<U+202E> (a.ts:1:1)\n    at g (b.ts:2:2)",
      command: { command: "c<U+202E>", exit: 1, stdout: "o<U+202E>\n", stderr: "e\n" },
    });
  });

  test("an outcome", () => {
    const outcome = { change: "changed", failed: true, cancelled: false, host: "web2" } as const;
    const expected = { name: "E", message: `m${dirt}`, touched: true };
    assert.deepEqual(cleanOutcome({ ...outcome, broken: "failed", expected }), {
      change: "changed",
      failed: true,
      cancelled: false,
      broken: "failed",
      expected: { ...expected, message: "m<U+202E>" },
    });
    assert.throws(() => cleanOutcome({ ...outcome, broken: "by magic" as "failed" }), {
      message: 'an outcome whose broken is "by magic", expected failed or aborted',
    });
    const steps = { "/a": { answer: "holds", open: false, changes: ["0"], accepted: true } } as const;
    assert.deepEqual(cleanOutcome({ ...outcome, deviated: { reason: `m${dirt}`, steps } }).deviated, {
      reason: "m<U+202E>",
      steps,
    });
    assert.throws(() => cleanOutcome({ ...outcome, deviated: { reason: "", steps: { a: 1 as never } } }), {
      message: "an outcome whose deviated is an object, expected an object",
    });
  });

  test("long text", () => {
    const [event] = admitted(started(1, { desc: "x".repeat(3_000_000) }));
    assert.equal(event?.kind === "step-started" && event.desc, `${"x".repeat(2000)}…`);
    assert.equal(cleanReason("x".repeat(5000)), `${"x".repeat(4000)}…`);
    assert.equal(cleanName(`ana\n${"x".repeat(300)}`).length, 200 + "… ⏎ ".length - "\n".length);
  });
});
