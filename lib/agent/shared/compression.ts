import type { Transform } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import type { Compression } from "../../model/agent-artifacts";

/** File extensions of the supported compressions, best first. The host needs the command to decompress. */
export const compressions = { zstd: "checked.zst", gzip: "gz" } as const satisfies Record<
  Compression,
  string
>;

/** Compresses a runtime. Both formats end with a checksum of the input, so the host can verify it. */
export const compressorFor = (compression: Compression): Transform =>
  compression === "zstd"
    ? createZstdCompress({
        params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
      })
    : createGzip({ level: 6 });
