/** A host that lies: what it sends over a link reaches nothing but its own report, and is bounded. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateRawSync } from "node:zlib";
import { initialOutput } from "../../../lib/agent/client/bootstrap";
import { AgentLink } from "../../../lib/agent/client/link";
import { BANNER, PROTOCOL } from "../../../lib/agent/shared/messages";
import { encode, HOST_WIRE_LIMITS } from "../../../lib/agent/shared/wire";
import type { Sources } from "../../../lib/model/agent-artifacts";
import { Cancellation } from "../../../lib/model/cancellation";
import type { Channel } from "../../../lib/model/connection";
import type { StepEvent } from "../../../lib/model/events";
import type { Job, JobOutcome } from "../../../lib/model/job";

/** A channel whose other end is this test. */
function fakeChannel() {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.resume();
  let end: (code: number) => void = () => {};
  const exit = new Promise<number>((resolve) => {
    end = resolve;
  });
  let killed = false;
  const kill = () => {
    killed = true;
    end(137);
  };
  const channel: Channel = { stdin, stdout, stderr, exit, kill };
  return { channel, stdout, stderr, end, wasKilled: () => killed };
}

const hello = { type: "hello", protocol: PROTOCOL, node: "v24", pid: 1, home: "/root", trees: ["t"] };
const sources = { manifest: { hash: "t", files: [], entries: [] } } as unknown as Sources;
const job = {
  deployment: "d1",
  by: "ana@laptop",
  hops: [],
  application: { property: "x", args: {}, site: "" },
  host: { name: "web1", attributes: {} },
} as unknown as Job;
const outcome: JobOutcome = { change: "changed", failed: false, cancelled: false };

/** A deployment over a link to a host that sends `frames` once it runs. */
async function deployedOver(...frames: readonly (Buffer | object)[]) {
  const { channel, stdout, wasKilled } = fakeChannel();
  stdout.write(encode(hello));
  const link = await AgentLink.open(channel);
  const events: StepEvent[] = [];
  const result = link
    .apply(job, sources, {
      host: "web1",
      emit: (event) => events.push(event),
      reopen: () => Promise.reject(new Error("not reopened")),
      answers: { to: async () => ({}) },
      cancellation: new Cancellation(),
    })
    .then(
      (ended) => ended,
      (error: Error) => error,
    );
  for (const frame of frames) stdout.write(Buffer.isBuffer(frame) ? frame : encode(frame));
  return { result: await result, events, link, wasKilled };
}

const events = (first: number, ...list: readonly unknown[]) => ({
  type: "events",
  deployment: "d1",
  first,
  events: list,
});
const ended = { type: "outcome", deployment: "d1", outcome };
const started = { kind: "step-started", step: 1, property: "p", desc: "d", site: "s" };

/** A frame with a deflated body, as `encode` would not make it. */
function deflated(body: Buffer): Buffer {
  const packed = deflateRawSync(body);
  const header = Buffer.from([0xc5, 1, 0, 0, 0, 0]);
  header.writeUInt32BE(packed.length, 2);
  return Buffer.concat([header, packed]);
}

test("an honest host is listened to", async () => {
  const { result, events: seen } = await deployedOver(
    events(0, started),
    { type: "waiting", deployment: "d1", reason: "x" },
    ended,
  );
  assert.deepEqual([result, seen], [outcome, [started, { kind: "waiting", reason: "x" }]]);
});

test("what it sends about others is dropped, and its text is clean", async () => {
  const forged = { ...started, desc: "d\u001b]0;owned\u0007", host: "web2", deployment: "d2", v: 9 };
  const { result, events: seen } = await deployedOver(
    { ...events(0, started), deployment: "d2" },
    { ...ended, deployment: "d2" },
    events(0, forged),
    { type: "waiting", deployment: "d1", reason: "\u001b[2Jwait\nforged" },
    ended,
  );
  assert.deepEqual([result, seen], [outcome, [started, { kind: "waiting", reason: "wait ⏎ forged" }]]);
});

describe("it is given up, with one sentence, when it", () => {
  const nils = Buffer.concat([Buffer.from([0xdd, 0x0b, 0xeb, 0xc2, 0x00]), Buffer.alloc(200_000_000, 0xc0)]);
  const short = Buffer.concat([Buffer.from([0xdd, 0, 0xa0, 0, 0]), Buffer.alloc(0xa00000, 0xc0)]);
  const long = Buffer.from([0xc5, 0, 0x02, 0, 0, 0]);
  const cases: readonly (readonly [name: string, frames: readonly (Buffer | object)[], reason: string])[] = [
    [
      "sends 200 kB that unpack to 200 MB of nils",
      [deflated(nils)],
      `a message of ${deflated(nils).length - 6} bytes that unpacks to more than the limit of 16777216`,
    ],
    ["sends ten million values", [deflated(short)], "a message of more than 500000 values"],
    [
      "claims four billion values",
      [Buffer.from([0xc5, 0, 0, 0, 0, 5, 0xdd, 255, 255, 255, 255])],
      "a message that ends too early",
    ],
    ["announces a long message", [long], "a message of 33554432 bytes exceeds the limit of 16777216"],
    [
      "sends an unknown event",
      [events(0, { kind: "deployment-ended", status: "changed", ms: 1 })],
      'an event of the kind "deployment-ended"',
    ],
    ["numbers events below 0", [events(-5, started)], "events numbered from -5"],
    ["repeats a step", [events(0, started, started)], "the start of step 1 twice"],
    [
      "prints without end",
      [
        events(0, started),
        ...Array.from({ length: 20 }, (_, index) =>
          events(index + 1, {
            kind: "step-output",
            step: 1,
            stream: "stdout",
            text: "x".repeat(1024 * 1024),
          }),
        ),
      ],
      "more output of step 1 than the limit of 8388608 characters",
    ],
    [
      "sends an invalid outcome",
      [{ ...ended, outcome: { ...outcome, failure: "none" } }],
      'an outcome whose failure is "none", expected an object',
    ],
  ];
  for (const [name, frames, reason] of cases) {
    test(name, async () => {
      const { result, link, wasKilled } = await deployedOver(...frames);
      assert.equal(
        (result as Error).message,
        `the connection to the agent was closed, because it sent ${reason}`,
      );
      assert.deepEqual([link.alive, wasKilled()], [false, true]);
    });
  }
});

test("many messages a second are read more slowly, and none is lost", async () => {
  const count = 4 * HOST_WIRE_LIMITS.perSecond;
  const began = performance.now();
  const list = Array.from({ length: count }, () => ({ kind: "step-preview", step: 9, text: "x" }));
  const parts = Array.from({ length: 80 }, (_, part) =>
    events((part * count) / 80, ...list.slice(0, count / 80)),
  );
  const { result } = await deployedOver(...parts, ended);
  assert.deepEqual(result, outcome);
  const took = performance.now() - began;
  assert.ok(took > 1500, `${took} ms for four seconds' worth, of which two may arrive at once`);
});

describe("before the agent answers", () => {
  test("the banner is found, also in pieces, and what follows it is left in the stream", async () => {
    const { channel, stdout } = fakeChannel();
    const output = initialOutput(channel);
    for (const byte of Buffer.from(`motd${BANNER}rest`)) stdout.write(Buffer.from([byte]));
    assert.equal(await output, `motd${BANNER}`);
    await sleep(10);
    assert.equal((stdout.read() as Buffer | null)?.toString(), "rest");
  });

  test("endless output is given up", async () => {
    const { channel, stdout, wasKilled } = fakeChannel();
    const output = initialOutput(channel);
    const write = () => {
      while (!wasKilled() && stdout.write("\u001b[2Jy\n".repeat(10_000)));
    };
    stdout.on("drain", write);
    write();
    await assert.rejects(output, {
      name: "ConsfigError",
      message:
        "the host printed more than 1048576 bytes, and the agent did not start; the host printed: y\ny\ny",
    });
  });

  test("silence is given up", async () => {
    const { channel, stderr, wasKilled } = fakeChannel();
    const output = initialOutput(channel, 100);
    stderr.write("node: not now\u001b[5m\n");
    await assert.rejects(output, {
      message: "the agent did not start within 0.1 s; the host printed: node: not now",
    });
    assert.ok(wasKilled());
  });
});
