import { open } from "node:fs/promises";

const PIECE = 1 << 20;

/** Whether two files have the same bytes, read piece by piece. */
export async function sameBytes(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([open(one), open(other)]);
  try {
    const [first, second] = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)];
    for (;;) {
      const [read, readToo] = [await a.readv([first]), await b.readv([second])];
      if (!first.subarray(0, read.bytesRead).equals(second.subarray(0, readToo.bytesRead))) return false;
      if (read.bytesRead === 0) return true;
    }
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}
