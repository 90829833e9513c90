import type { Transform } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import type { Compression } from "./client/runtime";

/** Compresses a runtime. Either form ends with a checksum of what went in, by which a host knows that it has all of it. */
export const compressorFor = (compression: Compression): Transform =>
  compression === "zstd"
    ? createZstdCompress({
        params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
      })
    : createGzip({ level: 6 });
