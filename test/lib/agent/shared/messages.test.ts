import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeJob } from "../../../../lib/agent/shared/job";
import {
  answerShapes,
  BANNER,
  PROTOCOL,
  requestShapes,
  supervisorAnswerShapes,
  supervisorRequestShapes,
  workerAnswerShapes,
  workerRequestShapes,
} from "../../../../lib/agent/shared/messages";
import { type Shape, type Shapes, shapeMismatch } from "../../../../lib/agent/shared/shapes";
import { decode, encode } from "../../../../lib/agent/shared/wire";
import { onChange } from "../../../../lib/combinators";
import { prepare } from "../../../../lib/engine/prepare";
import { HostModel } from "../../../../lib/model/host";
import { type Job, stoppedBy } from "../../../../lib/model/job";
import * as toy from "../../../support/toy";

test("the banner is on its own line and contains the protocol version", () => {
  assert.equal(BANNER, `\nconsfigurator-agent ${PROTOCOL}\n`);
});

test("a job is decoded unchanged: host, application tree, user", () => {
  const given = onChange(toy.made("m", toy.states("blue"), toy.changes("a\0é")), toy.rests("b"));
  const { model, application } = prepare({ name: "web1" }, given);
  const job: Job = { deployment: "d1", host: model.toJSON(), application, hops: [], by: "ana@laptop" };
  const arrived = decode(encode(job)) as Job;
  assert.deepEqual(arrived, JSON.parse(JSON.stringify(job)));
  assert.equal(new HostModel(arrived.host).newest(toy.fact), "blue");
});

test("the reason of a skipped step names the signal", () => {
  assert.equal(stoppedBy("stop"), "the deployment was stopped");
  assert.equal(stoppedBy("cancel"), "the deployment was cancelled");
});

/** A valid value of each kind, and some invalid ones. */
const valid: Readonly<Record<string, unknown>> = {
  string: "é€ with blanks",
  number: 0,
  boolean: false,
  bytes: Buffer.alloc(0),
  list: [],
  object: {},
  name: "a5_0-f.x",
};
const invalid: Readonly<Record<string, readonly unknown[]>> = {
  string: [undefined, null, 7, ["a"], Buffer.from("a")],
  number: [undefined, null, "7", NaN, Infinity, {}],
  boolean: [undefined, null, 0, "true"],
  bytes: [undefined, null, "bytes", [1], {}],
  list: [undefined, null, "list", { length: 0 }, Buffer.from("a")],
  object: [undefined, null, "object", [], Buffer.from("a")],
  name: [undefined, null, 7, "", ".", "..", "../up", "a/b", ".hidden", "a\0b", "a\nb", "x".repeat(300)],
};
const shown = (value: unknown) => {
  if (Buffer.isBuffer(value)) return `<${value.length} bytes>`;
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

/** A message of this shape, without the optional fields. */
const wellShaped = (shape: Shape): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(shape)
      .filter(([key]) => !key.endsWith("?"))
      .map(([key, kind]) => [key, validOf(kind)]),
  );
const validOf = (kind: Shape[string]): unknown =>
  typeof kind === "string" ? valid[kind] : Array.isArray(kind) ? kind[0] : wellShaped(kind as Shape);

/** Invalid values for each field of `shape`, with the expected error. */
function* mistakes(shape: Shape, prefix = ""): Generator<[path: string[], value: unknown, error: string]> {
  for (const [key, kind] of Object.entries(shape)) {
    const field = key.replace(/\?$/, "");
    const name = `${prefix}${field}`;
    const word = typeof kind === "string" ? kind : Array.isArray(kind) ? kind.join(" or ") : "object";
    const values =
      invalid[Array.isArray(kind) ? "string" : word]?.filter(
        (value) => value !== undefined || key === field,
      ) ?? [];
    for (const value of [...values, ...(Array.isArray(kind) ? ["later"] : [])])
      yield [[field], value, `${name} is ${shown(value)}, expected ${word}`];
    if (typeof kind === "string" || Array.isArray(kind)) continue;
    for (const [path, value, error] of mistakes(kind as Shape, `${name}.`))
      yield [[field, ...path], value, error];
  }
}

function put(
  message: Record<string, unknown>,
  [field = "", ...rest]: string[],
  value: unknown,
  shape: Shape,
) {
  if (rest.length === 0) message[field] = value;
  else {
    const inner = (shape[field] ?? shape[`${field}?`]) as Shape;
    const object = (message[field] ??= wellShaped(inner)) as Record<string, unknown>;
    put(object, rest, value, inner);
  }
}

const directions: Readonly<Record<string, Shapes>> = {
  "controller to relay": requestShapes,
  "relay to controller": answerShapes,
  "relay or supervisor to worker": workerRequestShapes,
  "worker to controller": workerAnswerShapes,
  "relay to supervisor": supervisorRequestShapes,
  "supervisor to relay": supervisorAnswerShapes,
};

for (const [direction, shapes] of Object.entries(directions)) {
  describe(`messages from ${direction}`, () => {
    for (const [type, shape] of Object.entries(shapes)) {
      test(`${type}: is accepted when valid, also after encoding and decoding`, () => {
        const message = { type, ...wellShaped(shape), more: "of a later version" };
        assert.equal(shapeMismatch(message, shapes), undefined);
        assert.equal(shapeMismatch(decode(encode(message)), shapes), undefined);
      });

      test(`${type}: is refused when a field is invalid`, () => {
        for (const [path, value, error] of mistakes(shape)) {
          const message: Record<string, unknown> = { type, ...wellShaped(shape) };
          put(message, path, value, shape);
          assert.equal(shapeMismatch(message, shapes), `invalid message "${type}": ${error}`);
        }
      });
    }

    test("a message of an unknown type is refused", () => {
      const known = Object.keys(shapes).join(", ");
      for (const type of ["later", "", "__proto__", "toString", 7, null, ["deploy"], "x".repeat(500)])
        assert.equal(
          shapeMismatch({ type }, shapes),
          `unknown message type ${shown(type)}, expected one of ${known}; is the other end running a different version?`,
        );
      for (const message of [undefined, null, 7, "deploy", [], {}])
        assert.equal(shapeMismatch(message, shapes), `a message without a type: ${shown(message)}`);
    });
  });
}

test("a job without its deployment or user is refused", () => {
  const cases: readonly [unknown, string][] = [
    [7, "deployment is undefined, expected name"],
    [{ deployment: "../../up", by: "ana" }, 'deployment is "../../up", expected name'],
    [{ deployment: "d1" }, "by is undefined, expected string"],
  ];
  for (const [job, error] of cases)
    assert.throws(() => decodeJob(encode(job)), { message: `invalid message "job": ${error}` });
  const cut = encode({ deployment: "d1", by: "ana" }).subarray(0, -1);
  assert.throws(() => decodeJob(cut), { message: /^cannot decode a message: / });
});
