import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import type { Shapes } from "../../../../lib/agent/shared/shapes";
import { converse, decode, encode, FrameSplitter, GarbledFrame } from "../../../../lib/agent/shared/wire";
import { FailedChange } from "../../../../lib/model/errors";

const messages = [
  { type: "hello", protocol: 1, trees: ["a", "b"] },
  { type: "deploy", job: Buffer.from([0, 0xc5, 255, 10]), text: "é€😀\0\n" },
  { type: "events", first: 0, events: Array.from({ length: 100 }, (_, step) => ({ kind: "step", step })) },
  { type: "done", ref: null, ratio: 0.5, big: 2 ** 40, yes: true, nothing: {} },
];

/** The messages in `bytes`, given in these pieces. */
function received(...pieces: Buffer[]): unknown[] {
  const splitter = new FrameSplitter();
  return pieces.flatMap((piece) => [...splitter.push(piece)].map(decode));
}

describe("a message", () => {
  for (const message of messages) {
    test(`of type ${message.type} comes back equal`, () =>
      assert.deepEqual(decode(encode(message)), message));
  }

  test("has its bytes as bytes", () => {
    const { job } = decode(encode({ job: Buffer.from("x") })) as { job: unknown };
    assert.ok(Buffer.isBuffer(job));
  });

  test("is deflated when that makes it smaller, and only then", () => {
    const repetitive = encode({ text: "configuration ".repeat(1000) });
    assert.ok(repetitive.length < 500, `${repetitive.length} bytes`);
    assert.equal(repetitive[1], 1);
    assert.equal(encode({ text: "short" })[1], 0);
    const packed = deflateRawSync(
      Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * index * 31) % 251)),
    );
    const twice = deflateRawSync(packed);
    const frame = encode(twice);
    assert.ok(frame.length <= twice.length + 12, "never larger than it is");
  });

  test("leaves out fields that are undefined, as JSON does", () => {
    assert.equal(JSON.stringify(decode(encode({ a: 1, b: undefined }))), '{"a":1}');
  });
});

describe("frames arrive whole, wherever the stream was cut", () => {
  const stream = Buffer.concat(messages.map(encode));

  test("all at once", () => assert.deepEqual(received(stream), messages));

  test("byte by byte", () =>
    assert.deepEqual(received(...[...stream].map((byte) => Buffer.from([byte]))), messages));

  test("in two, at every place", () => {
    for (let at = 0; at <= stream.length; at++) {
      assert.deepEqual(received(stream.subarray(0, at), stream.subarray(at)), messages, `cut at ${at}`);
    }
  });

  test("cut short, the last one does not arrive", () => {
    assert.deepEqual(received(stream.subarray(0, stream.length - 1)), messages.slice(0, -1));
  });
});

describe("what is no message", () => {
  const header = (mark: number, flags: number, length: number) => {
    const bytes = Buffer.alloc(6);
    bytes[0] = mark;
    bytes[1] = flags;
    bytes.writeUInt32BE(length, 2);
    return bytes;
  };
  const foreign = (shown: string) =>
    `expected a message, got ${JSON.stringify(shown)}; the other end is not an agent of ours, or something else writes to its stream`;
  const cases: [name: string, bytes: Buffer, message: string | RegExp][] = [
    ["the banner of a login shell", Buffer.from("Last login: Mon\r\n"), foreign("Last login: Mon\r\n")],
    ["a long text, of which the beginning is shown", Buffer.from("x".repeat(1000)), foreign("x".repeat(40))],
    ["flags of no version of ours", header(0xc5, 2, 0), foreign("Å\u0002\0\0\0\0")],
    [
      "a length that nobody sends",
      header(0xc5, 0, 0xffffffff),
      "a message of 4294967295 bytes is larger than the 268435456 allowed",
    ],
    [
      "a body that is cut",
      Buffer.concat([header(0xc5, 0, 2), Buffer.from([0x93, 1])]),
      /^a message could not be read: /,
    ],
    [
      "more than one value",
      Buffer.concat([header(0xc5, 0, 2), Buffer.from([1, 2])]),
      /^a message could not be read: /,
    ],
    [
      "a body that is not deflated though it says so",
      Buffer.concat([header(0xc5, 1, 2), Buffer.from("xx")]),
      /^a message could not be read: /,
    ],
    ["no body at all", header(0xc5, 0, 0), /^a message could not be read: /],
  ];
  for (const [name, bytes, message] of cases) {
    test(`${name} is refused, also after a good message`, () => {
      for (const before of [Buffer.alloc(0), encode({ type: "hello" })]) {
        assert.throws(
          () => received(before, bytes),
          (error: Error) => {
            assert.ok(error instanceof GarbledFrame && error instanceof FailedChange);
            if (typeof message === "string") assert.equal(error.message, message);
            else assert.match(error.message, message);
            return true;
          },
        );
      }
    });
  }

  test("a header that is not whole yet is waited for", () =>
    assert.deepEqual(received(Buffer.from("hi")), []));

  test("a little that unpacks to very much is refused", () => {
    const bomb = deflateRawSync(Buffer.alloc(257 * 1024 * 1024), { level: 1 });
    assert.throws(() => received(Buffer.concat([header(0xc5, 1, bomb.length), bomb])), GarbledFrame);
  });
});

describe("a conversation", () => {
  const shapes = Object.fromEntries(messages.map(({ type }) => [type, {}]));

  /** Two ends, each hearing what the other sends. */
  function conversation(more: Shapes = {}) {
    const [there, back] = [new PassThrough(), new PassThrough()];
    const heard: unknown[] = [];
    const ended: (Error | undefined)[] = [];
    const over = new Promise<void>((settled) => {
      const events = {
        shapes: { ...shapes, ...more },
        onMessage: (message: unknown) => void heard.push(message),
        onEnd: (error: Error | undefined) => {
          ended.push(error);
          settled();
        },
      };
      converse(there, back, events);
    });
    const far = converse(back, there, { shapes, onMessage: () => {}, onEnd: () => {} });
    return { there, far, heard, ended, over };
  }

  test("hears every message, then the end, once", async () => {
    const { far, heard, ended, over } = conversation();
    for (const message of messages) far.send(message);
    far.end();
    await over;
    await far.finished;
    assert.deepEqual(heard, messages);
    assert.deepEqual(ended, [undefined]);
    assert.equal(far.pending, 0);
  });

  test("passes frames on as they came", async () => {
    const { far, heard, over } = conversation();
    far.forward(encode({ type: "done" }));
    far.end();
    await over;
    assert.deepEqual(heard, [{ type: "done" }]);
  });

  test("ends with the reason when garbage comes, after what came before it", async () => {
    const { there, heard, ended, over } = conversation();
    there.write(Buffer.concat([encode({ type: "hello" }), Buffer.from("Segmentation fault")]));
    await over;
    assert.deepEqual(heard, [{ type: "hello" }]);
    assert.equal(ended.length, 1);
    assert.ok(ended[0] instanceof GarbledFrame);
    assert.ok(there.destroyed, "the rest is not listened to");
  });

  test("ends with the reason when a message is none of ours", async () => {
    const { there, heard, ended, over } = conversation();
    there.write(Buffer.concat([encode({ type: "hello" }), encode(["hello"])]));
    await over;
    assert.deepEqual(heard, [{ type: "hello" }]);
    assert.deepEqual(ended, [new GarbledFrame('a message has no type: ["hello"]')]);
  });

  test("ends with the reason when a message is of a type that is not understood here, or lacks what it needs", async () => {
    const cases = [
      [
        { type: "later" },
        'a message of type "later" came, and hello, deploy, events, done are understood here; is the other end of another version?',
      ],
      [
        { type: "constructor" },
        'a message of type "constructor" came, and hello, deploy, events, done are understood here; is the other end of another version?',
      ],
      [{ type: "deploy", text: 7 }, 'the message "deploy" came with text 7, no string'],
      [{ type: "deploy" }, 'the message "deploy" came with text undefined, no string'],
    ] as const;
    for (const [message, reason] of cases) {
      const { there, ended, over } = conversation({ deploy: { text: "string" } });
      there.write(encode(message));
      await over;
      assert.equal(ended[0]?.message, reason);
    }
  });

  test("tells the other end why it is left, when there is something to say", async () => {
    const [there, back] = [new PassThrough(), new PassThrough()];
    const heard: unknown[] = [];
    converse(back, there, {
      shapes: { refused: { message: "string" } },
      onMessage: (m) => heard.push(m),
      onEnd: () => {},
    });
    const over = new Promise<void>((settled) => {
      const refusal = ({ name }: Error) => ({ type: "refused", message: name });
      converse(there, back, { shapes, onMessage: () => {}, onEnd: () => settled(), refusal });
    });
    there.write("garbage");
    await over;
    await new Promise(setImmediate);
    assert.deepEqual(heard, [{ type: "refused", message: "GarbledFrame" }]);
  });

  test("ends when the stream breaks", async () => {
    const { there, ended, over } = conversation();
    there.destroy(new Error("ECONNRESET"));
    await over;
    assert.deepEqual(
      ended.map((error) => error?.message),
      ["ECONNRESET"],
    );
  });

  test("once it is over, what is sent goes nowhere, and nobody is hurt", async () => {
    const { far, there, over } = conversation();
    there.destroy();
    await over;
    far.send({ type: "late" });
    far.forward(encode({ type: "late" }));
    far.end();
  });
});
