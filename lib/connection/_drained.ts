import { Readable } from "node:stream";

/** `source` as a stream of its own, whose data waits for its reader from now on. */
export function outputOf(source: Readable): Readable {
  const output = new Readable({
    read: () => void source.resume(),
    destroy: (error, done) => {
      // What nobody wants any more must still flow, or the other stream would wait behind it.
      source.removeAllListeners("data").resume();
      done(error);
    },
  });
  source.on("data", (chunk: Buffer) => {
    if (!output.push(chunk)) source.pause();
  });
  source.once("end", () => output.push(null));
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
