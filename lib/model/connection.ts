import type { Readable, Writable } from "node:stream";

/** How long output is awaited after a command has ended: a daemon that it started may keep the outputs open for ever. */
export const SILENCE_MS = 1000;

/** A process on the remote side, with its streams available here. */
export interface Channel {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /**
   * The exit code (128 + number for a signal), once all output has been read: to its end, or until it was silent for
   * `SILENCE_MS` after the command had ended. Rejects with `ConnectionFailed` when the link is lost.
   */
  readonly exit: Promise<number>;
  /** Sends the process, and all that it has started in its group, a signal. The promise, if any, resolves when it was sent. */
  kill(signal?: NodeJS.Signals): Promise<void> | void;
}

export interface ExecOptions {
  /** True: the process serves the other commands of the connection, and lasts as long as they come. */
  readonly lasting?: boolean;
  /**
   * True: the process has no input, or begins before it: it need not be certain that nothing else reads it. One round trip
   * instead of two over ssh, which passes no input on before the process has been started.
   */
  readonly startsAtOnce?: boolean;
}

/** An established hop, in which shell commands can be run. */
export interface Connection {
  /** The hop and all hops before it, as written in a consfig: for messages. */
  readonly description: string;
  /** Starts `sh -c command`. `command` is shell text. Rejects with `ConnectionFailed` when the process cannot start. */
  exec(command: string, options?: ExecOptions): Promise<Channel>;
  /** As `exec`, for a command that changes nothing, has no input, and leaves no process behind. Default: `exec`. */
  look?(command: string): Promise<Channel>;
  /** False once the link has been closed or is known to be lost. */
  readonly alive: boolean;
  /** Resolves when the link ends: to the reason when it was lost, to undefined when it was closed. */
  readonly closed: Promise<Error | undefined>;
  /** Closes the hop and disconnects the processes still running in it. Safe to call twice. */
  close(): Promise<void>;
  /** True: the remote side shares this machine's file system, so local files can be used there as they are. */
  readonly local?: boolean;
  /** True: a command starts only while the deployment holds the lock of the host that it runs on. */
  readonly locked?: boolean;
}
