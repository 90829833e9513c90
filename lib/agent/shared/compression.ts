import type { Transform } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import type { Compression } from "../../model/agent-artifacts";

/** How a runtime may be compressed, best first, and what its file ends in; the host needs the command to undo it. */
export const compressions = { zstd: "checked.zst", gzip: "gz" } as const satisfies Record<
  Compression,
  string
>;

/** Compresses a runtime. Either form ends with a checksum of what went in, by which a host knows that it has all of it. */
export const compressorFor = (compression: Compression): Transform =>
  compression === "zstd"
    ? createZstdCompress({
        params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
      })
    : createGzip({ level: 6 });
