import { constants } from "node:os";
import { type Readable, Writable } from "node:stream";
import type { Channel } from "../../model/connection";
import { GUARD, type StderrMarkers } from "../_stderr-markers";
import { drained, outputOf, silentBefore } from "../_streams";
import type { CommandStart } from "./_commandStart";
import type { ClientChannel } from "./_library";

/** The parts of a connection that its channels use. */
export interface Link {
  /** The markers on this command's stderr, which report its process ids. */
  readonly markers: StderrMarkers;
  readonly start: CommandStart;
  /** True: the command waits for `GUARD`. */
  readonly guarded: boolean;
  /** Sends a signal to the command with the reported `ids`. */
  kill(ids: string, signal: NodeJS.Signals): Promise<void>;
  /** Settles when the connection has ended. */
  readonly closed: Promise<unknown>;
  /** Returns the error for a missing exit code. */
  lost(problem: string): Error;
}

/**
 * Turns an ssh2 channel into three plain streams. ssh2's own is one duplex that does not work with `pipeline` and
 * `finished`, and that never calls back pending writes when the remote end closes.
 */
export function channelOf(
  channel: ClientChannel,
  { markers, start, guarded, kill, closed, lost }: Link,
): Channel {
  const ids = Promise.withResolvers<string>();
  const stdin = inputOf(channel);
  const stdout = outputOf(channel);
  const stderr = markers.filter(channel.stderr as Readable, (reported) => {
    start.begin();
    ids.resolve(reported);
  });
  const closing = new Promise((resolve) => channel.once("close", resolve));
  if (guarded) channel.write(`${GUARD}\n`);
  let code: number | undefined;
  channel.on("exit", (status: number | null, signal?: string) => {
    code = status ?? 128 + (constants.signals[(signal ?? "SIGKILL") as NodeJS.Signals] ?? 0);
  });
  channel.on("error", () => {});
  const exit = (async () => {
    // ssh2 closes a channel only when its output has been read, so do not wait for that alone.
    const ended = new Promise((resolve) => channel.once("exit", resolve).once("close", resolve));
    const late = await Promise.race([ended, closed, start.late.then(() => "late")]);
    stdin.destroy(new Error("the process has ended"));
    if (late === "late") throw start.failure(undefined);
    if (code === undefined && (await isSettled(closed))) throw lost("the command ended without an exit code");
    const read = Promise.all([drained(stdout), drained(stderr)]);
    if (await silentBefore(read, [channel, channel.stderr as Readable], [stdout, stderr])) channel.close();
    await read;
    if (code === undefined) throw lost("the command ended without an exit code");
    // A reader that destroyed its stream has not kept the filter from seeing the marker, but perhaps from seeing it yet.
    if (!start.seen) await Promise.race([closing, closed]);
    if (!start.seen) throw start.failure(code);
    return code;
  })();
  exit.catch(() => {
    if (!start.seen) for (const output of [stdout, stderr]) output.destroy();
    if (!start.seen) channel.close();
  });
  void exit.finally(() => start.end()).catch(() => {});
  return {
    stdin,
    stdout,
    stderr,
    exit,
    kill: (signal = "SIGTERM") => ids.promise.then((reported) => kill(reported, signal)),
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
  // Ignore EPIPE: the command may exit without reading its input.
  stdin.on("error", () => {});
  return stdin;
}
