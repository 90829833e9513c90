import type { Writable } from "node:stream";
import { FailedChange } from "../model/errors";
import { SecretStream } from "../model/secret-stream";

/** What a command or a file gets. */
export type Bytes = Buffer | SecretStream;

/** In bytes. */
export const sizeOf = (bytes: Bytes): number => (bytes instanceof SecretStream ? bytes.size : bytes.length);

/** What `FileHandle.writeFile` takes. */
export const written = (bytes: Bytes, signal?: AbortSignal): Buffer | AsyncIterable<Buffer> =>
  bytes instanceof SecretStream ? bytes.pieces(signal) : bytes;

/**
 * Writes `first` and `input` to `stdin`, as fast as they are read there, and ends it. When a piece cannot be had, `stdin` is
 * not ended, and `failed` is called: the command must be ended before it takes a part for the whole.
 */
export async function feed(
  stdin: Writable,
  input: Bytes | undefined,
  failed: (error: FailedChange) => void,
  first = "",
): Promise<void> {
  // A command that ends without reading its input must not end us.
  stdin.on("error", () => {});
  if (!(input instanceof SecretStream)) {
    if (first !== "") stdin.write(first);
    stdin.end(input ?? "");
    return;
  }
  const closed = new Promise<void>((resolve) => stdin.once("close", resolve));
  try {
    if (first !== "") stdin.write(first);
    for await (const piece of input.pieces()) {
      if (!stdin.writable) return;
      const gone = new Promise<void>((resolve) => stdin.write(piece, () => resolve()));
      await Promise.race([gone, closed]);
    }
    stdin.end();
  } catch (error) {
    failed(error instanceof FailedChange ? error : new FailedChange((error as Error).message));
  }
}
