import { PassThrough, type Readable } from "node:stream";
import { SILENCE_MS } from "../model/connection";

/** A copy of `source` that buffers its data until it is read. */
export const outputOf = (source: Readable): Readable => holdOutput(source)();

/**
 * Starts reading `source` into memory. The returned function gives all of it as a stream that waits for its reader.
 * Some remote ends send both outputs over one stream: while one is not read, nothing of the other arrives either, and a
 * marker expected there may never come.
 */
export function holdOutput(source: Readable): () => Readable {
  const held: Buffer[] = [];
  const hold = (chunk: Buffer) => void held.push(chunk);
  source.on("data", hold);
  return () => {
    source.off("data", hold);
    return pipeAfter(Buffer.concat(held), source);
  };
}

/** A stream of `first`, then `source`. */
function pipeAfter(first: Buffer, source: Readable): Readable {
  const output = new PassThrough();
  if (first.length > 0) output.write(first);
  source.pipe(output);
  source.once("close", () => output.end());
  // Unread data must still be consumed, or the other stream would wait behind it.
  output.once("close", () => source.unpipe(output).resume());
  return output;
}

/** Resolves when `stream` has been read to its end. Like a child process, discards output that has no reader. */
export function drained(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) return resolve();
    stream.once("close", () => resolve());
    if (stream.readableFlowing === null && stream.listenerCount("readable") === 0) stream.resume();
  });
}

/**
 * For a command that has ended: resolves to true when nothing came from `sources` for `SILENCE_MS` and all that came has been
 * read from `outputs`; to false when `end` comes first.
 */
export function silentBefore(
  end: Promise<unknown>,
  sources: readonly Readable[],
  outputs: readonly Readable[],
): Promise<boolean> {
  return new Promise((resolve) => {
    let since = performance.now();
    const heard = () => {
      since = performance.now();
    };
    for (const source of sources) source.on("data", heard);
    const settle = (silent: boolean) => {
      clearInterval(timer);
      for (const source of sources) source.off("data", heard);
      resolve(silent);
    };
    const timer = setInterval(() => {
      if ([...sources, ...outputs].some((stream) => stream.readableLength > 0)) heard();
      else if (performance.now() - since >= SILENCE_MS) settle(true);
    }, SILENCE_MS / 10);
    end.finally(() => settle(false)).catch(() => {});
  });
}
