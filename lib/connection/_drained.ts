import { PassThrough, type Readable } from "node:stream";

/** `source` as a stream of its own, whose data waits for its reader from now on. */
export const outputOf = (source: Readable): Readable => outputHeld(source)();

/**
 * Reads `source` from now on, and holds what comes; what is returned gives it all as a stream of its own, whose data
 * waits for its reader. Some far sides send outputs one behind the other: while one is not read, nothing of the other
 * comes either, and what is waited for on that may never be heard.
 */
export function outputHeld(source: Readable): () => Readable {
  const held: Buffer[] = [];
  const hold = (chunk: Buffer) => void held.push(chunk);
  source.on("data", hold);
  return () => {
    source.off("data", hold);
    return handedOn(source, Buffer.concat(held));
  };
}

/** `first`, and then what comes from `source`. */
function handedOn(source: Readable, first: Buffer): Readable {
  const output = new PassThrough();
  if (first.length > 0) output.write(first);
  source.pipe(output);
  // What nobody wants any more must still flow, or the other stream would wait behind it.
  output.once("close", () => source.unpipe(output).resume());
  return output;
}

/** Read to its end. As for child processes, output that nobody listens to is thrown away then. */
export function drained(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) return resolve();
    stream.once("close", () => resolve());
    if (stream.readableFlowing === null && stream.listenerCount("readable") === 0) stream.resume();
  });
}
