import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { open, stat } from "node:fs/promises";
import { LRUCache } from "lru-cache";
import { MissingData } from "../model/errors";
import { type LargeDatum, PIECE_BYTES } from "../model/questions";
import { fileDigest } from "../util/file-digest";

/** What is larger travels in pieces, so that no message is. */
export const LARGE_BYTES = 8 * 1024 * 1024;

/** The SHA-256 of files, by their identity: reading one of gigabytes takes seconds. */
const digests = new LRUCache<string, Promise<string>>({ max: 100 });

/** A datum of more than `LARGE_BYTES` that is a file of this machine; undefined when it is smaller. */
export async function largeFile(file: string, shown: string): Promise<LargeDatum | undefined> {
  const found = await stat(file);
  if (found.size <= LARGE_BYTES) return undefined;
  const key = identityOf(file, found);
  const digest = digests.get(key) ?? fileDigest(file);
  digests.set(key, digest);
  digest.catch(() => digests.delete(key));
  const piece: LargeDatum["piece"] = async (at, into = () => Buffer.allocUnsafe(PIECE_BYTES)) => {
    const handle = await open(file);
    try {
      if (identityOf(file, await handle.stat()) !== key)
        throw new MissingData(`${shown} was replaced while it was fetched: ${file}; deploy again`);
      const { buffer, bytesRead } = await handle.read({ buffer: into(), position: at });
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  };
  return { size: found.size, sha256: await digest, piece };
}

/** `bytes` as a datum that travels in pieces, when they are many. */
export function inPieces(bytes: Buffer): Buffer | LargeDatum {
  if (bytes.length <= LARGE_BYTES) return bytes;
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { size: bytes.length, sha256, piece: async (at) => bytes.subarray(at, at + PIECE_BYTES) };
}

const identityOf = (file: string, { dev, ino, size, mtimeMs, ctimeMs }: Stats): string =>
  JSON.stringify([file, dev, ino, size, mtimeMs, ctimeMs]);
