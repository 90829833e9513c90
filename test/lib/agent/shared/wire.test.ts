import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import type { Shapes } from "../../../../lib/agent/shared/shapes";
import { decode, encode, FrameSplitter, GarbledFrame, openWire } from "../../../../lib/agent/shared/wire";
import { FailedChange } from "../../../../lib/model/errors";

const messages = [
  { type: "hello", protocol: 1, trees: ["a", "b"] },
  { type: "deploy", job: Buffer.from([0, 0xc5, 255, 10]), text: "é€😀\0\n" },
  { type: "events", first: 0, events: Array.from({ length: 100 }, (_, step) => ({ kind: "step", step })) },
  { type: "done", ref: null, ratio: 0.5, big: 2 ** 40, yes: true, nothing: {} },
];

/** The messages decoded from these chunks. */
function received(...pieces: Buffer[]): unknown[] {
  const splitter = new FrameSplitter();
  return pieces.flatMap((piece) => [...splitter.push(piece)].map((frame) => decode(frame)));
}

describe("a message", () => {
  for (const message of messages) {
    test(`of type ${message.type} is decoded unchanged`, () =>
      assert.deepEqual(decode(encode(message)), message));
  }

  test("keeps bytes as a Buffer", () => {
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
    assert.ok(frame.length <= twice.length + 12, "never larger than the original");
  });

  test("has numbers for integers of 64 bits, which are no JSON otherwise", () => {
    const integers = [0xd3, 0xcf].map((type) =>
      Buffer.from([0x81, 0xa1, 0x6e, type, 0x7f, ...Array(7).fill(0xff)]),
    );
    for (const body of integers)
      assert.deepEqual(decode(Buffer.concat([Buffer.from([0xc5, 0, 0, 0, 0, body.length]), body])), {
        n: 2 ** 63,
      });
  });

  test("omits undefined fields, like JSON", () => {
    assert.equal(JSON.stringify(decode(encode({ a: 1, b: undefined }))), '{"a":1}');
  });
});

describe("frames are complete, however the stream was split", () => {
  const stream = Buffer.concat(messages.map(encode));

  test("all at once", () => assert.deepEqual(received(stream), messages));

  test("byte by byte", () =>
    assert.deepEqual(received(...[...stream].map((byte) => Buffer.from([byte]))), messages));

  test("in two chunks, split at every position", () => {
    for (let at = 0; at <= stream.length; at++) {
      assert.deepEqual(received(stream.subarray(0, at), stream.subarray(at)), messages, `cut at ${at}`);
    }
  });

  test("truncated: the last one is not returned", () => {
    assert.deepEqual(received(stream.subarray(0, stream.length - 1)), messages.slice(0, -1));
  });
});

describe("invalid data", () => {
  const header = (magic: number, flags: number, length: number) => {
    const bytes = Buffer.alloc(6);
    bytes[0] = magic;
    bytes[1] = flags;
    bytes.writeUInt32BE(length, 2);
    return bytes;
  };
  const foreign = (shown: string) =>
    `expected a message, got ${JSON.stringify(shown)}; the other end is not a Consfigurator agent, or another program writes to the same stream`;
  const cases: [name: string, bytes: Buffer, message: string | RegExp][] = [
    ["the banner of a login shell", Buffer.from("Last login: Mon\r\n"), foreign("Last login: Mon\r\n")],
    ["a long text (the error shows its beginning)", Buffer.from("x".repeat(1000)), foreign("x".repeat(40))],
    ["unknown flags", header(0xc5, 2, 0), foreign("Å\u0002\0\0\0\0")],
    [
      "an impossible length",
      header(0xc5, 0, 0xffffffff),
      "a message of 4294967295 bytes exceeds the limit of 268435456",
    ],
    [
      "a truncated body",
      Buffer.concat([header(0xc5, 0, 2), Buffer.from([0x93, 1])]),
      /^cannot decode a message: /,
    ],
    [
      "more than one value",
      Buffer.concat([header(0xc5, 0, 2), Buffer.from([1, 2])]),
      /^cannot decode a message: /,
    ],
    [
      "a body that is flagged as deflated but is not",
      Buffer.concat([header(0xc5, 1, 2), Buffer.from("xx")]),
      /^cannot decode a message: /,
    ],
    ["an empty body", header(0xc5, 0, 0), /^cannot decode a message: /],
  ];
  for (const [name, bytes, message] of cases) {
    test(`${name} is refused, also after a valid message`, () => {
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

  test("an incomplete header waits for more data", () => assert.deepEqual(received(Buffer.from("hi")), []));

  test("a decompression bomb is refused", () => {
    const bomb = deflateRawSync(Buffer.alloc(257 * 1024 * 1024), { level: 1 });
    assert.throws(() => received(Buffer.concat([header(0xc5, 1, bomb.length), bomb])), GarbledFrame);
  });
});

describe("a wire", () => {
  const shapes = Object.fromEntries(messages.map(({ type }) => [type, {}]));

  /** Two connected ends. */
  function connect(more: Shapes = {}) {
    const [there, back] = [new PassThrough(), new PassThrough()];
    const incoming: unknown[] = [];
    const ended: (Error | undefined)[] = [];
    const closed = new Promise<void>((resolve) => {
      const events = {
        shapes: { ...shapes, ...more },
        onMessage: (message: unknown) => void incoming.push(message),
        onEnd: (error: Error | undefined) => {
          ended.push(error);
          resolve();
        },
      };
      openWire(there, back, events);
    });
    const far = openWire(back, there, { shapes, onMessage: () => {}, onEnd: () => {} });
    return { there, far, incoming, ended, closed };
  }

  test("receives every message, then the end, once", async () => {
    const { far, incoming, ended, closed } = connect();
    for (const message of messages) far.send(message);
    far.end();
    await closed;
    await far.finished;
    assert.deepEqual(incoming, messages);
    assert.deepEqual(ended, [undefined]);
    assert.equal(far.pending, 0);
  });

  test("forwards frames unchanged", async () => {
    const { far, incoming, closed } = connect();
    far.forward(encode({ type: "done" }));
    far.end();
    await closed;
    assert.deepEqual(incoming, [{ type: "done" }]);
  });

  test("ends with an error at garbage, after the messages before it", async () => {
    const { there, incoming, ended, closed } = connect();
    there.write(Buffer.concat([encode({ type: "hello" }), Buffer.from("Segmentation fault")]));
    await closed;
    assert.deepEqual(incoming, [{ type: "hello" }]);
    assert.equal(ended.length, 1);
    assert.ok(ended[0] instanceof GarbledFrame);
    assert.ok(there.destroyed, "the rest is not read");
  });

  test("ends with an error when a message has no type", async () => {
    const { there, incoming, ended, closed } = connect();
    there.write(Buffer.concat([encode({ type: "hello" }), encode(["hello"])]));
    await closed;
    assert.deepEqual(incoming, [{ type: "hello" }]);
    assert.deepEqual(ended, [new GarbledFrame('a message without a type: ["hello"]')]);
  });

  test("ends with an error when a message has an unknown type or an invalid field", async () => {
    const cases = [
      [
        { type: "later" },
        'unknown message type "later", expected one of hello, deploy, events, done; is the other end running a different version?',
      ],
      [
        { type: "constructor" },
        'unknown message type "constructor", expected one of hello, deploy, events, done; is the other end running a different version?',
      ],
      [{ type: "deploy", text: 7 }, 'invalid message "deploy": text is 7, expected string'],
      [{ type: "deploy" }, 'invalid message "deploy": text is undefined, expected string'],
    ] as const;
    for (const [message, reason] of cases) {
      const { there, ended, closed } = connect({ deploy: { text: "string" } });
      there.write(encode(message));
      await closed;
      assert.equal(ended[0]?.message, reason);
    }
  });

  test("sends the refusal to the other end before closing", async () => {
    const [there, back] = [new PassThrough(), new PassThrough()];
    const incoming: unknown[] = [];
    openWire(back, there, {
      shapes: { refused: { message: "string" } },
      onMessage: (m) => incoming.push(m),
      onEnd: () => {},
    });
    const closed = new Promise<void>((resolve) => {
      const refusal = ({ name }: Error) => ({ type: "refused", message: name });
      openWire(there, back, { shapes, onMessage: () => {}, onEnd: () => resolve(), refusal });
    });
    there.write("garbage");
    await closed;
    await new Promise(setImmediate);
    assert.deepEqual(incoming, [{ type: "refused", message: "GarbledFrame" }]);
  });

  test("ends when the stream breaks", async () => {
    const { there, ended, closed } = connect();
    there.destroy(new Error("ECONNRESET"));
    await closed;
    assert.deepEqual(
      ended.map((error) => error?.message),
      ["ECONNRESET"],
    );
  });

  test("sending after the end does nothing", async () => {
    const { far, there, closed } = connect();
    there.destroy();
    await closed;
    far.send({ type: "late" });
    far.forward(encode({ type: "late" }));
    far.end();
  });
});
