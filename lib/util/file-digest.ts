import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

const CHUNK_BYTES = 1024 * 1024;

/** The SHA-256 of a file, in hexadecimal digits, read piece by piece: a stream leaves buffers that add up until they are collected. */
export async function fileDigest(file: string): Promise<string> {
  const [hash, chunk, handle] = [createHash("sha256"), Buffer.allocUnsafeSlow(CHUNK_BYTES), await open(file)];
  try {
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(chunk.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}
