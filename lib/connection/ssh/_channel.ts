import { constants } from "node:os";
import { type Readable, Writable } from "node:stream";
import type { Channel } from "../../model/connection";
import { drained, outputOf } from "../_drained";
import type { StderrMarkers } from "../_marks";
import type { ClientChannel } from "./_library";

/** What a channel needs of its connection. */
export interface Link {
  /** The marks on this command's stderr, which tell its process ids. */
  readonly marks: StderrMarkers;
  /** Sends a signal to the command that told `ids`. */
  kill(ids: string, signal: NodeJS.Signals): void;
  /** Settles when the link is over. */
  readonly closed: Promise<unknown>;
  /** Why there will be no exit code. */
  lost(what: string): Error;
}

/**
 * An ssh2 channel as three plain streams. ssh2's own is one duplex that `pipeline` and `finished` misread, and that
 * forgets the callbacks of writes when the far side goes.
 */
export function channelOf(channel: ClientChannel, { marks, kill, closed, lost }: Link): Channel {
  const ids = Promise.withResolvers<string>();
  const stdin = inputOf(channel);
  const stdout = outputOf(channel);
  const stderr = marks.filter(channel.stderr as Readable, ids.resolve);
  let code: number | undefined;
  channel.on("exit", (status: number | null, signal?: string) => {
    code = status ?? 128 + (constants.signals[(signal ?? "SIGKILL") as NodeJS.Signals] ?? 0);
  });
  channel.on("error", () => {});
  const exit = (async () => {
    // ssh2 closes a channel only when its output has been read, which is not ours to wait for.
    const ended = new Promise((over) => channel.once("exit", over).once("close", over));
    await Promise.race([ended, closed]);
    stdin.destroy(new Error("the process has ended"));
    if (code === undefined && (await isSettled(closed))) throw lost("it ended without an exit code");
    await Promise.all([drained(stdout), drained(stderr)]);
    if (code === undefined) throw lost("it ended without an exit code");
    return code;
  })();
  // Whoever needs the exit code awaits it; a lost link must not end us because somebody does not.
  exit.catch(() => {});
  return {
    stdin,
    stdout,
    stderr,
    exit,
    kill: (signal = "SIGTERM") => void ids.promise.then((told) => kill(told, signal)),
  };
}

const isSettled = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), Promise.resolve().then(() => false)]);

function inputOf(channel: ClientChannel): Writable {
  const stdin = new Writable({
    write: (chunk: Buffer, _encoding, done) => void channel.write(chunk, () => done()),
    final: (done) => {
      channel.end();
      done();
    },
  });
  // A process that ends without reading its input must not end us.
  stdin.on("error", () => {});
  return stdin;
}
