/** Random frames and output of hosts, from a seed. */
import assert from "node:assert/strict";
import { answerShapes } from "../../../lib/agent/shared/messages";
import { shapeMismatch } from "../../../lib/agent/shared/shapes";
import { decode, encode, FrameSplitter, HOST_WIRE_LIMITS } from "../../../lib/agent/shared/wire";
import type { StepEvent } from "../../../lib/model/events";
import { cleanOutcome, HOST_LIMITS, HostEvents, ProtocolViolation } from "../../../lib/model/host-events";
import { Reporter } from "../../../lib/model/report";
import { cleanText } from "../../../lib/util/clean-text";
import { finalText } from "../../../repl/views/_text";
import { Trees } from "../../../repl/views/_tree";
import type { Random } from "../../support/random";

export const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
/** How long one round may take: far more than linear time needs, on a busy machine too. */
export const ROUND_MS = 5000;

const PIECES = [
  ..."a / ( ) : . \n \r \t \0 \u0007 \u0008 \u001b \u007f \u0085 \u009b \u009d \u009c \u202e \u2066 é 😀 \ud800".split(
    " ",
  ),
  ...[
    "\u001b[",
    "\u001b]0;",
    "\u001b\\",
    "\u001bP",
    "31m",
    "?1049h",
    " ",
    "    at f (",
    "file://",
    "/trees/ab12/",
    ".js:1:2",
    "x".repeat(100),
  ],
];
export const text = (on: Random): string => {
  const unit = Array.from({ length: on.below(6) }, () => on.pick(PIECES)).join("");
  return on.chance(0.01) ? unit.repeat(20_000) : on.chance(0.1) ? unit.repeat(50) : unit;
};

const KINDS = [
  "hop-opening",
  "hop-opened",
  "upload",
  "waiting",
  "notice",
  "step-started",
  "step-output",
  "step-preview",
  "command-ran",
  "step-ended",
  "deployment-ended",
  "deployment-started",
  "__proto__",
  "later",
];
const FIELDS = [
  "host",
  "deployment",
  "v",
  "step",
  "parent",
  "property",
  "desc",
  "site",
  "text",
  "stream",
  "status",
  "ms",
  "reason",
  "failure",
  "command",
  "exit",
  "hop",
  "reused",
  "what",
  "sent",
  "total",
  "__proto__",
];

function value(on: Random, depth = 0): unknown {
  const kind = on.below(depth > 4 ? 8 : 11);
  if (kind < 2) return on.below(20);
  if (kind < 5) return text(on);
  if (kind === 5)
    return on.pick([null, true, false, -1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, undefined]);
  if (kind === 6) return on.pick(["stdout", "stderr", "changed", "failed", "skipped", "unchanged"]);
  if (kind === 7) return Buffer.alloc(on.below(20), on.below(256));
  if (kind === 8) return Array.from({ length: on.below(4) }, () => value(on, depth + 1));
  if (kind === 9) return failure(on, depth + 1);
  return Object.fromEntries(
    Array.from({ length: on.below(4) }, () => [on.pick(FIELDS), value(on, depth + 1)]),
  );
}

const failure = (on: Random, depth = 0): unknown => ({
  name: on.chance(0.9) ? text(on) : value(on, depth),
  message: text(on),
  ...(on.chance(0.5) && { stack: text(on) }),
  ...(on.chance(0.5) && {
    command: { command: text(on), exit: on.below(256), stdout: text(on), stderr: text(on) },
  }),
});

/** Also for `__proto__`, as an own field. */
const set = (object: object, field: string, to: unknown) =>
  Object.defineProperty(object, field, { value: to, enumerable: true, configurable: true, writable: true });

/** Mostly a valid event, with some fields wrong, missing or too many. */
function event(on: Random): unknown {
  const step = on.below(30);
  const valid: Record<string, unknown> = {
    kind: on.pick(on.chance(0.98) ? KINDS.slice(0, 10) : KINDS),
    ...{ step, ms: on.below(1000), text: text(on), reason: text(on), hop: text(on), reused: on.chance(0.5) },
    ...{
      what: text(on),
      sent: 1,
      total: 2,
      property: text(on),
      desc: text(on),
      site: text(on),
      command: text(on),
    },
    ...{
      stream: on.pick(["stdout", "stderr"]),
      status: on.pick(["unchanged", "changed", "failed", "skipped"]),
    },
    ...(on.chance(0.3) && { parent: on.below(30) }),
    ...(on.chance(0.2) && { failure: failure(on) }),
  };
  if (valid["kind"] === "step-started") valid["step"] = on.below(100_000);
  if (on.chance(0.02)) set(valid, on.pick(FIELDS), value(on));
  if (on.chance(0.01)) delete valid[on.pick(FIELDS)];
  return valid;
}

function message(on: Random): unknown {
  const type = on.chance(0.9) ? "events" : on.pick([...Object.keys(answerShapes), "later"]);
  const list = Array.from({ length: on.below(4) }, () => event(on));
  const valid: Record<string, unknown> = {
    type,
    deployment: "d1",
    first: on.below(5),
    events: list,
    ref: 1,
    reason: text(on),
    message: text(on),
    tree: "t",
    protocol: 2,
  };
  if (type === "outcome")
    valid["outcome"] = {
      change: "changed",
      failed: on.chance(0.5),
      cancelled: false,
      ...(on.chance(0.5) && { failure: failure(on) }),
    };
  if (on.chance(0.01)) valid[on.pick(["type", "events", "outcome", "deployment", "first"])] = value(on);
  return valid;
}

/** A frame, sometimes with bytes changed, cut or repeated. */
function frame(on: Random): Buffer {
  const bytes = encode(message(on));
  if (on.chance(0.9)) return bytes;
  const broken = Buffer.from(bytes);
  const from = on.chance(0.3) ? 0 : 6;
  for (let changes = on.below(5); changes >= 0; changes--)
    broken[from + on.below(Math.max(1, broken.length - from))] = on.below(256);
  return on.chance(0.2) ? broken.subarray(0, on.below(broken.length)) : broken;
}

/** All text in `found`, at any depth. */
export function assertClean(found: unknown): void {
  if (typeof found === "string") return assert.ok(!UNSAFE.test(found), JSON.stringify(found.slice(0, 200)));
  if (typeof found === "object" && found !== null) for (const each of Object.values(found)) assertClean(each);
}

/** One host that sends frames until it is given up. Returns how many it sent, and why it was given up. */
export function lyingHost(on: Random): { frames: number; reason: string } {
  const splitter = new FrameSplitter(HOST_WIRE_LIMITS.bytes);
  const door = new HostEvents("web1");
  const [trees, reporter] = [new Trees(), new Reporter()];
  let frames = 0;
  let held = 0;
  const take = (each: StepEvent) => {
    assert.ok(
      !("host" in each) && !("deployment" in each) && !("v" in each),
      "nothing speaks for another host",
    );
    assertClean(each);
    held += JSON.stringify(each).length;
    reporter.add(each);
    trees.add({ ...each, host: "web1", deployment: "d1" } as never);
  };
  let reason = "";
  try {
    while (frames < 500) {
      frames += 1;
      for (const whole of splitter.push(frame(on))) {
        const received = decode(whole, HOST_WIRE_LIMITS) as {
          type: string;
          events: unknown[];
          outcome: never;
        };
        const mismatch = shapeMismatch(received, answerShapes);
        if (mismatch !== undefined) throw new ProtocolViolation(mismatch);
        if (received.type === "events")
          for (const each of received.events) for (const shown of door.admit(each)) take(shown);
        if (received.type === "outcome") assertClean(cleanOutcome(received.outcome));
      }
    }
  } catch (error) {
    if (!(error instanceof ProtocolViolation)) throw error;
    reason = error.message;
  }
  assert.ok(held < 3 * (HOST_LIMITS.held + HOST_LIMITS.output));
  assertClean(cleanText(finalText(trees.hosts, { full: true })));
  reporter.finish("web1", "d1", "failed", 1);
  return { frames, reason };
}
