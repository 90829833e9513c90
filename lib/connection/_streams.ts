import { PassThrough, type Readable } from "node:stream";

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
