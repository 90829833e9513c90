import type { Readable, Writable } from "node:stream";

/** A process on the far side, its streams ours. */
export interface Channel {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The exit code (128 + number for a signal), once all output has been read. Rejects with `ConnectionFailed` when the link is lost. */
  readonly exit: Promise<number>;
  /** Asks the process to end. */
  kill(signal?: NodeJS.Signals): void;
}

/** An established hop: somewhere a shell can be run. */
export interface Connection {
  /** As written in a consfig, with all hops before it: for messages. */
  readonly description: string;
  /** Starts `sh -c command` there. `command` is shell text. Rejects with `ConnectionFailed` when that cannot be. */
  exec(command: string): Promise<Channel>;
  /** False once the link is known to be lost, or closed. */
  readonly alive: boolean;
  /** Settles when the link ends: with the reason when it was lost, with nothing when it was closed. */
  readonly closed: Promise<Error | undefined>;
  /** Ends the hop; what is still running there is cut off. Safe to call twice. */
  close(): Promise<void>;
  /** True: the far side shares this machine's file system, so our own files can be used there as they are. */
  readonly local?: boolean;
}
