import type { Readable } from "node:stream";

/** Read to its end. As for child processes, output that nobody listens to is thrown away then. */
export function drained(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) return resolve();
    stream.once("close", () => resolve());
    if (stream.readableFlowing === null && stream.listenerCount("readable") === 0) stream.resume();
  });
}
