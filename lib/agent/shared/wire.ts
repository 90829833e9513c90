import type { Duplex, Readable, Writable } from "node:stream";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { Packr } from "msgpackr";
import { FailedChange } from "../../model/errors";
import { type Shapes, shapeMismatch } from "./shapes";

/**
 * Typed messages over a byte stream. A frame is a header of six bytes (magic byte, flags, body length as a 32-bit
 * big-endian integer) and a MessagePack body, deflated when that makes it smaller.
 */
const FRAME_START = 0xc5;
const DEFLATED = 1;
const HEADER = 6;
/** Smaller bodies are not deflated. */
const MIN_DEFLATE_SIZE = 512;
/** Limits the memory that a broken peer can make us allocate. */
const MAX_BODY = 256 * 1024 * 1024;

const packr = new Packr({ useRecords: false, moreTypes: false });

/** The peer sent something that is not a message of this protocol. */
export class GarbledFrame extends FailedChange {}

export function encode(message: unknown): Buffer {
  const plain = packr.pack(message);
  const deflated = plain.length >= MIN_DEFLATE_SIZE ? deflateRawSync(plain, { level: 3 }) : plain;
  const body = deflated.length < plain.length ? deflated : plain;
  const frame = Buffer.allocUnsafe(HEADER + body.length);
  frame[0] = FRAME_START;
  frame[1] = body === plain ? 0 : DEFLATED;
  frame.writeUInt32BE(body.length, 2);
  body.copy(frame, HEADER);
  return frame;
}

/** Turns chunks of bytes into complete frames, still encoded. Throws `GarbledFrame`. */
export class FrameSplitter {
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** Bytes needed before the next attempt: a large frame arrives in many chunks. */
  #needed = HEADER;

  *push(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    while (this.#buffered >= this.#needed) {
      const whole = this.#joined();
      if (whole[0] !== FRAME_START || (whole[1] ?? 0) > DEFLATED) throw new GarbledFrame(notAMessage(whole));
      const length = whole.readUInt32BE(2);
      if (length > MAX_BODY)
        throw new GarbledFrame(`a message of ${length} bytes exceeds the limit of ${MAX_BODY}`);
      this.#needed = HEADER + length;
      if (this.#buffered < this.#needed) return;
      const frame = whole.subarray(0, this.#needed);
      this.#keep(whole.subarray(this.#needed));
      yield frame;
    }
  }

  #joined(): Buffer {
    const [first, ...rest] = this.#chunks;
    const whole = rest.length === 0 && first ? first : Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#buffered = rest.length;
    this.#needed = HEADER;
  }
}

const notAMessage = (bytes: Buffer): string =>
  `expected a message, got ${JSON.stringify(bytes.subarray(0, 40).toString("latin1"))}; the other end is not a Consfigurator agent, or another program writes to the same stream`;

/** The message in a complete frame. */
export function decode(frame: Buffer): unknown {
  const body = frame.subarray(HEADER);
  try {
    return packr.unpack(frame[1] === DEFLATED ? inflateRawSync(body, { maxOutputLength: MAX_BODY }) : body);
  } catch (error) {
    throw new GarbledFrame(`cannot decode a message: ${(error as Error).message}`);
  }
}

/** A message connection. */
export interface Wire<Out> {
  send(message: Out): void;
  /** Sends a frame that is already encoded. */
  forward(frame: Buffer): void;
  end(): void;
  /** Closes at once and drops unsent data. */
  destroy(): void;
  /** Bytes buffered and not yet written. */
  readonly pending: number;
  /** Settles when everything has been written, or the stream is closed. */
  readonly finished: Promise<void>;
}

export interface WireEvents<In> {
  /** The accepted messages; any other is refused. */
  readonly shapes: Shapes;
  onMessage(message: In, frame: Buffer): void;
  /** The stream ended, with or without an error; called once. */
  onEnd(error: Error | undefined): void;
  /** The message sent to the other end, before closing, when it sent an invalid one. */
  refusal?(error: Error): unknown;
}

/** Exchanges messages over a pair of streams. */
export function openWire<In, Out>(input: Readable, output: Writable, events: WireEvents<In>): Wire<Out> {
  const splitter = new FrameSplitter();
  let ended = false;
  const finish = (error?: Error) => {
    if (ended) return;
    ended = true;
    events.onEnd(error);
  };
  input.on("data", (chunk: Buffer) => {
    if (ended) return;
    try {
      for (const frame of splitter.push(chunk)) {
        const message = decode(frame);
        const mismatch = shapeMismatch(message, events.shapes);
        if (mismatch !== undefined) throw new GarbledFrame(mismatch);
        events.onMessage(message as In, frame);
      }
    } catch (error) {
      if (events.refusal) output.end(encode(events.refusal(error as Error)), () => input.destroy());
      else input.destroy();
      finish(error as Error);
    }
  });
  input.on("end", () => finish());
  input.on("close", () => finish());
  input.on("error", finish);
  output.on("error", finish);
  const finished = new Promise<void>((resolve) => {
    output.once("finish", () => resolve());
    output.once("close", () => resolve());
  });
  return {
    finished,
    send: (message) => void (ended || output.write(encode(message))),
    forward: (frame) => void (ended || output.write(frame)),
    end: () => void output.end(),
    destroy: () => {
      input.destroy();
      output.destroy();
      finish();
    },
    get pending() {
      return output.writableLength;
    },
  };
}

export const openWireOver = <In, Out>(stream: Duplex, events: WireEvents<In>): Wire<Out> =>
  openWire(stream, stream, events);
