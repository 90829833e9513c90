import type { Duplex, Readable, Writable } from "node:stream";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { Packr } from "msgpackr";
import { ProtocolViolation } from "../../model/host-events";
import { passedOn, release } from "../../util/large-buffers";
import { type PackedLimits, packedProblem } from "./packed";
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
/** What the other end of a wire may send. */
export interface WireLimits {
  /** Bytes of one message, before and after unpacking. */
  readonly bytes: number;
  /** What one message may contain; absent where the other end is trusted to pack well. */
  readonly packed?: PackedLimits;
  /** Reading is slowed down to this many messages, or events in them, a second. */
  readonly perSecond?: number;
  /** How long one message may take from its first byte to its last. */
  readonly messageMs?: number;
}

/** A controller sends all sources of a tree in one message. */
const DEFAULT_LIMITS: WireLimits = { bytes: 256 * 1024 * 1024 };

/** For what comes from a host: it may lie. Documented in docs/reliability.md. */
export const HOST_WIRE_LIMITS = {
  bytes: 16 * 1024 * 1024,
  packed: { values: 500_000, depth: 64 },
  perSecond: 20_000,
  messageMs: 120_000,
} as const satisfies WireLimits;

/** So many messages may arrive at once before reading is slowed down. */
const BURST_SECONDS = 2;

/** Integers of 64 bits are numbers, too: a `bigint` is no JSON, and no message has one. */
const packr = new Packr({ useRecords: false, moreTypes: false, int64AsType: "number" });
/** Messages of more bytes are rare, and a packer keeps the buffer of its largest one. */
const USUAL_BYTES = 65_536;

/** The peer sent something that is not a message of this protocol. */
export class GarbledFrame extends ProtocolViolation {}

export function encode(message: unknown): Buffer {
  const plain = packr.pack(message);
  const deflated = isWorthDeflating(plain) ? deflateRawSync(plain, { level: 3 }) : plain;
  const body = deflated.length < plain.length ? deflated : plain;
  const frame = Buffer.allocUnsafe(HEADER + body.length);
  frame[0] = FRAME_START;
  frame[1] = body === plain ? 0 : DEFLATED;
  frame.writeUInt32BE(body.length, 2);
  body.copy(frame, HEADER);
  if (plain.length > USUAL_BYTES) {
    // biome-ignore lint/correctness/useHookAtTopLevel: no hook of React
    packr.useBuffer(Buffer.allocUnsafeSlow(USUAL_BYTES / 8));
    release(plain);
  }
  return frame;
}

/** Whether deflating makes it smaller. Of a long message a few samples tell: pieces of archives do not shrink. */
function isWorthDeflating(plain: Buffer): boolean {
  if (plain.length < SAMPLED_SIZE) return plain.length >= MIN_DEFLATE_SIZE;
  const samples = [1, 2, 3].map((quarter) =>
    plain.subarray((plain.length >> 2) * quarter).subarray(0, SAMPLE),
  );
  return samples.some((sample) => deflateRawSync(sample, { level: 1 }).length < 0.95 * SAMPLE);
}

const SAMPLED_SIZE = 512 * 1024;
const SAMPLE = 16 * 1024;

/** Turns chunks of bytes into complete frames, still encoded. Throws `GarbledFrame`. */
export class FrameSplitter {
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** Bytes needed before the next attempt: a large frame arrives in many chunks. */
  #needed = HEADER;

  constructor(private readonly maxBody = DEFAULT_LIMITS.bytes) {}

  /** Whether a message has begun and is not complete. */
  get unfinished(): boolean {
    return this.#buffered > 0;
  }

  *push(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    while (this.#buffered >= this.#needed) {
      const whole = this.#joined();
      if (whole[0] !== FRAME_START || (whole[1] ?? 0) > DEFLATED) throw new GarbledFrame(notAMessage(whole));
      const length = whole.readUInt32BE(2);
      if (length > this.maxBody)
        throw new GarbledFrame(`a message of ${length} bytes exceeds the limit of ${this.maxBody}`);
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

/** The message in a complete frame. Throws `GarbledFrame`. */
export function decode(frame: Buffer, limits: WireLimits = DEFAULT_LIMITS): unknown {
  const body =
    frame[1] === DEFLATED ? inflated(frame.subarray(HEADER), limits.bytes) : frame.subarray(HEADER);
  const problem = limits.packed && packedProblem(body, limits.packed);
  if (problem !== undefined) throw new GarbledFrame(problem);
  try {
    return packr.unpack(body);
  } catch (error) {
    throw new GarbledFrame(`cannot decode a message: ${(error as Error).message}`);
  }
}

function inflated(body: Buffer, maxOutputLength: number): Buffer {
  try {
    return inflateRawSync(body, { maxOutputLength });
  } catch (error) {
    const tooLong = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw new GarbledFrame(
      tooLong
        ? `a message of ${body.length} bytes that unpacks to more than the limit of ${maxOutputLength}`
        : `cannot decode a message: ${(error as Error).message}`,
    );
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
  /** What the other end may send; default: what a controller may. */
  readonly limits?: WireLimits;
  /** Throws `ProtocolViolation` to end the connection. */
  onMessage(message: In, frame: Buffer): void;
  /** The stream ended, with or without an error; called once. */
  onEnd(error: Error | undefined): void;
  /** The message sent to the other end, before closing, when it sent an invalid one. */
  refusal?(error: Error): unknown;
}

/** Exchanges messages over a pair of streams. */
export function openWire<In, Out>(input: Readable, output: Writable, events: WireEvents<In>): Wire<Out> {
  const { shapes, limits = DEFAULT_LIMITS } = events;
  const splitter = new FrameSplitter(limits.bytes);
  let ended = false;
  const pace = new Pace(input, limits, () => giveUp(new GarbledFrame(tooSlow(limits))));
  const finish = (error?: Error) => {
    if (ended) return;
    ended = true;
    pace.end();
    events.onEnd(error);
  };
  const giveUp = (error: Error) => {
    if (ended) return;
    if (events.refusal) output.end(encode(events.refusal(error)), () => input.destroy());
    else input.destroy();
    finish(error);
  };
  input.on("data", (chunk: Buffer) => {
    if (ended) return;
    try {
      for (const frame of splitter.push(chunk)) {
        const message = decode(frame, limits);
        const mismatch = shapeMismatch(message, shapes);
        if (mismatch !== undefined) throw new GarbledFrame(mismatch);
        pace.received(message as object);
        events.onMessage(message as In, frame);
        passedOn(frame.length);
        if (ended) return;
      }
      pace.adjust(splitter.unfinished);
    } catch (error) {
      giveUp(error as Error);
    }
  });
  input.on("end", () => finish());
  input.on("close", () => finish());
  input.on("error", finish);
  output.on("error", finish);
  const write = (frame: Buffer) => {
    output.write(frame);
    passedOn(frame.length);
  };
  const finished = new Promise<void>((resolve) => {
    output.once("finish", () => resolve());
    output.once("close", () => resolve());
  });
  return {
    finished,
    send: (message) => {
      if (!ended) write(encode(message));
    },
    forward: (frame) => {
      if (!ended) write(frame);
    },
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

const tooSlow = ({ messageMs = 0 }: WireLimits): string =>
  `a message that was not complete after ${messageMs / 1000} s`;

/** Slows reading down to the limit, and bounds the time that one message may take. */
class Pace {
  #budget: number;
  #at = performance.now();
  #paused: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(
    private readonly input: Readable,
    private readonly limits: WireLimits,
    private readonly onSlow: () => void,
  ) {
    this.#budget = BURST_SECONDS * (limits.perSecond ?? 0);
  }

  /** Counts a message, or the events in it. */
  received(message: object): void {
    const inside = "events" in message && Array.isArray(message.events) ? message.events.length : 0;
    this.#budget -= Math.max(1, inside);
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  /** Call after each chunk. `unfinished`: a message has begun. */
  adjust(unfinished: boolean): void {
    const { perSecond, messageMs } = this.limits;
    if (messageMs !== undefined && unfinished) this.#deadline ??= setTimeout(this.onSlow, messageMs).unref();
    if (perSecond === undefined) return;
    const now = performance.now();
    const earned = ((now - this.#at) / 1000) * perSecond;
    this.#budget = Math.min(this.#budget + earned, BURST_SECONDS * perSecond);
    this.#at = now;
    if (this.#budget >= 0 || this.#paused) return;
    this.input.pause();
    // The time in which we do not read does not count.
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    const resume = () => {
      this.#paused = undefined;
      this.input.resume();
      if (unfinished) this.adjust(true);
    };
    this.#paused = setTimeout(resume, (-this.#budget / perSecond) * 1000);
  }

  end(): void {
    clearTimeout(this.#paused);
    clearTimeout(this.#deadline);
  }
}

export const openWireOver = <In, Out>(stream: Duplex, events: WireEvents<In>): Wire<Out> =>
  openWire(stream, stream, events);
