import type { Duplex, Readable, Writable } from "node:stream";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { Packr } from "msgpackr";
import { FailedChange } from "../../model/errors";
import { type Shapes, shapeMismatch } from "./shapes";

/**
 * Typed messages over a stream of bytes. A frame is a header of six bytes (a mark, flags, the length of the body as
 * 32 bits, big end first) and a body of MessagePack, deflated when that pays.
 */
const FRAME_START = 0xc5;
const DEFLATED = 1;
const HEADER = 6;
/** Bodies from this size on are deflated. */
const WORTH_DEFLATING = 512;
/** A body larger than this is taken for garbage: it bounds what a broken peer can make us hold. */
const MAX_BODY = 256 * 1024 * 1024;

const packr = new Packr({ useRecords: false, moreTypes: false });

/** The peer sent what no version of ours sends. */
export class GarbledFrame extends FailedChange {}

export function encode(message: unknown): Buffer {
  const plain = packr.pack(message);
  const deflated = plain.length >= WORTH_DEFLATING ? deflateRawSync(plain, { level: 3 }) : plain;
  const body = deflated.length < plain.length ? deflated : plain;
  const frame = Buffer.allocUnsafe(HEADER + body.length);
  frame[0] = FRAME_START;
  frame[1] = body === plain ? 0 : DEFLATED;
  frame.writeUInt32BE(body.length, 2);
  body.copy(frame, HEADER);
  return frame;
}

/** Takes bytes as they come, gives whole frames, still encoded. Throws `GarbledFrame`. */
export class FrameSplitter {
  #chunks: Buffer[] = [];
  #held = 0;
  /** Bytes that must be there before it is worth looking: a large frame comes in many chunks. */
  #needed = HEADER;

  *push(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    while (this.#held >= this.#needed) {
      const whole = this.#joined();
      if (whole[0] !== FRAME_START || (whole[1] ?? 0) > DEFLATED) throw new GarbledFrame(notOurs(whole));
      const length = whole.readUInt32BE(2);
      if (length > MAX_BODY)
        throw new GarbledFrame(`a message of ${length} bytes is larger than the ${MAX_BODY} allowed`);
      this.#needed = HEADER + length;
      if (this.#held < this.#needed) return;
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
    this.#held = rest.length;
    this.#needed = HEADER;
  }
}

const notOurs = (bytes: Buffer): string =>
  `expected a message, got ${JSON.stringify(bytes.subarray(0, 40).toString("latin1"))}; the other end is not an agent of ours, or something else writes to its stream`;

/** The message in a whole frame. */
export function decode(frame: Buffer): unknown {
  const body = frame.subarray(HEADER);
  try {
    return packr.unpack(frame[1] === DEFLATED ? inflateRawSync(body, { maxOutputLength: MAX_BODY }) : body);
  } catch (error) {
    throw new GarbledFrame(`a message could not be read: ${(error as Error).message}`);
  }
}

/** Both directions of a conversation in messages. */
export interface Wire<Out> {
  send(message: Out): void;
  /** Passes on a frame as it came. */
  forward(frame: Buffer): void;
  end(): void;
  /** Gives the conversation up, with what was not taken yet. */
  break(): void;
  /** Bytes sent and not yet taken. */
  readonly pending: number;
  /** Settles when all that was sent has been taken, or never will be. */
  readonly finished: Promise<void>;
}

export interface WireEvents<In> {
  /** What may arrive: a message of another type, or without its fields, is refused. */
  readonly shapes: Shapes;
  onMessage(message: In, frame: Buffer): void;
  /** The stream ended, well or with an error; called once. */
  onEnd(error: Error | undefined): void;
  /** What the other end is told when it sends what it should not, before it is left. */
  refusal?(error: Error): unknown;
}

/** Converses over a stream, or over a pair of them. */
export function converse<In, Out>(input: Readable, output: Writable, events: WireEvents<In>): Wire<Out> {
  const splitter = new FrameSplitter();
  let over = false;
  const finish = (error?: Error) => {
    if (over) return;
    over = true;
    events.onEnd(error);
  };
  input.on("data", (chunk: Buffer) => {
    if (over) return;
    try {
      for (const frame of splitter.push(chunk)) {
        const message = decode(frame);
        const complaint = shapeMismatch(message, events.shapes);
        if (complaint !== undefined) throw new GarbledFrame(complaint);
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
  const finished = new Promise<void>((settled) => {
    output.once("finish", () => settled());
    output.once("close", () => settled());
  });
  return {
    finished,
    send: (message) => void (over || output.write(encode(message))),
    forward: (frame) => void (over || output.write(frame)),
    end: () => void output.end(),
    break: () => {
      input.destroy();
      output.destroy();
      finish();
    },
    get pending() {
      return output.writableLength;
    },
  };
}

export const converseOver = <In, Out>(stream: Duplex, events: WireEvents<In>): Wire<Out> =>
  converse(stream, stream, events);
