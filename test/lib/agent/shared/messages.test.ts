import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jobIn } from "../../../../lib/agent/shared/job";
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

test("the banner stands on a line of its own and says which protocol is spoken", () => {
  assert.equal(BANNER, `\nconsfigurator-agent ${PROTOCOL}\n`);
});

test("a job arrives as it was: host, tree with its parts, who asked", () => {
  const said = onChange(toy.made("m", toy.states("blue"), toy.changes("a\0é")), toy.rests("b"));
  const { model, application } = prepare({ name: "web1" }, said);
  const job: Job = { deployment: "d1", host: model.toJSON(), application, hops: [], by: "ana@laptop" };
  const arrived = decode(encode(job)) as Job;
  assert.deepEqual(arrived, JSON.parse(JSON.stringify(job)));
  assert.equal(new HostModel(arrived.host).newest(toy.fact), "blue");
});

test("what is skipped says which signal came", () => {
  assert.equal(stoppedBy("stop"), "the deployment was stopped");
  assert.equal(stoppedBy("cancel"), "the deployment was cancelled");
});

/** One that is right for each kind, and some that are not. */
const right: Readonly<Record<string, unknown>> = {
  string: "é€ with blanks",
  number: 0,
  boolean: false,
  bytes: Buffer.alloc(0),
  list: [],
  object: {},
  name: "a5_0-f.x",
};
const strange: Readonly<Record<string, readonly unknown[]>> = {
  string: [undefined, null, 7, ["a"], Buffer.from("a")],
  number: [undefined, null, "7", NaN, Infinity, {}],
  boolean: [undefined, null, 0, "true"],
  bytes: [undefined, null, "bytes", [1], {}],
  list: [undefined, null, "list", { length: 0 }, Buffer.from("a")],
  object: [undefined, null, "object", [], Buffer.from("a")],
  name: [undefined, null, 7, "", ".", "..", "../up", "a/b", ".hidden", "a\0b", "a\nb", "x".repeat(300)],
};
const shown = (value: unknown) => {
  if (Buffer.isBuffer(value)) return `of ${value.length} bytes`;
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

/** A message that is as `shape` says, without what may be left out. */
const wellShaped = (shape: Shape): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(shape)
      .filter(([key]) => !key.endsWith("?"))
      .map(([key, kind]) => [key, rightOf(kind)]),
  );
const rightOf = (kind: Shape[string]): unknown =>
  typeof kind === "string" ? right[kind] : Array.isArray(kind) ? kind[0] : wellShaped(kind as Shape);

/** Every way in which one field is not as `shape` says: where, with what, and what is then said. */
function* wrongs(shape: Shape, above = ""): Generator<[path: string[], value: unknown, said: string]> {
  for (const [key, kind] of Object.entries(shape)) {
    const field = key.replace(/\?$/, "");
    const place = `${above}${field}`;
    const word = typeof kind === "string" ? kind : Array.isArray(kind) ? kind.join(" or ") : "object";
    const values =
      strange[Array.isArray(kind) ? "string" : word]?.filter(
        (value) => value !== undefined || key === field,
      ) ?? [];
    for (const value of [...values, ...(Array.isArray(kind) ? ["later"] : [])])
      yield [[field], value, `${place} ${shown(value)}, no ${word}`];
    if (typeof kind === "string" || Array.isArray(kind)) continue;
    for (const [path, value, said] of wrongs(kind as Shape, `${place}.`))
      yield [[field, ...path], value, said];
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
    const holder = (message[field] ??= wellShaped(inner)) as Record<string, unknown>;
    put(holder, rest, value, inner);
  }
}

const conversations: Readonly<Record<string, Shapes>> = {
  "controller to relay": requestShapes,
  "relay to controller": answerShapes,
  "relay or supervisor to worker": workerRequestShapes,
  "worker to controller": workerAnswerShapes,
  "relay to supervisor": supervisorRequestShapes,
  "supervisor to relay": supervisorAnswerShapes,
};

for (const [way, shapes] of Object.entries(conversations)) {
  describe(`what goes from ${way}`, () => {
    for (const [type, shape] of Object.entries(shapes)) {
      test(`${type}: is taken when it is well shaped, also after it has travelled`, () => {
        const message = { type, ...wellShaped(shape), more: "of a later version" };
        assert.equal(shapeMismatch(message, shapes), undefined);
        assert.equal(shapeMismatch(decode(encode(message)), shapes), undefined);
      });

      test(`${type}: is refused when any field of it is strange`, () => {
        for (const [path, value, said] of wrongs(shape)) {
          const message: Record<string, unknown> = { type, ...wellShaped(shape) };
          put(message, path, value, shape);
          assert.equal(shapeMismatch(message, shapes), `the message "${type}" came with ${said}`);
        }
      });
    }

    test("what is of no type that is known there is refused", () => {
      const known = Object.keys(shapes).join(", ");
      for (const type of ["later", "", "__proto__", "toString", 7, null, ["deploy"], "x".repeat(500)])
        assert.equal(
          shapeMismatch({ type }, shapes),
          `a message of type ${shown(type)} came, and ${known} are understood here; is the other end of another version?`,
        );
      for (const message of [undefined, null, 7, "deploy", [], {}])
        assert.equal(shapeMismatch(message, shapes), `a message has no type: ${shown(message)}`);
    });
  });
}

test("a job that does not say whose it is is refused", () => {
  const cases: readonly [unknown, string][] = [
    [7, "deployment undefined, no name"],
    [{ deployment: "../../up", by: "ana" }, 'deployment "../../up", no name'],
    [{ deployment: "d1" }, "by undefined, no string"],
  ];
  for (const [job, said] of cases)
    assert.throws(() => jobIn(encode(job)), { message: `the message "job" came with ${said}` });
  const cut = encode({ deployment: "d1", by: "ana" }).subarray(0, -1);
  assert.throws(() => jobIn(cut), { message: /^a message could not be read: / });
});
