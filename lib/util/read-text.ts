import type { Readable } from "node:stream";

/** All text of `stream`, as `node:stream/consumers` reads it. Rejects, and reads no further, when it is over `limit` bytes. */
export async function readText(stream: Readable, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer | string>) {
    const data = Buffer.from(chunk as Buffer);
    bytes += data.length;
    if (bytes > limit) throw new Error(`the host printed more than the limit of ${limit} bytes`);
    chunks.push(data);
  }
  return Buffer.concat(chunks).toString();
}
