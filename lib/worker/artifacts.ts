import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, openSync, readFileSync, statSync, unlinkSync } from "node:fs";
import { arch, platform, tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { compressorFor } from "../agent/shared/compression";
import { treeRecord } from "../agent/shared/tree";
import type { AgentArtifacts, ArtifactFiles, Compression, Runtime } from "../model/agent-artifacts";
import { ConsfigError } from "../model/errors";

/** The kit of a worker: its own runtime, its own boot file, its own tree, handed on as they are. */
export function workerArtifacts(files: ArtifactFiles): AgentArtifacts {
  return {
    files,
    boot: async () => {
      const code = readFileSync(files.boot);
      return { hash: createHash("sha256").update(code).digest("hex").slice(0, 32), code };
    },
    runtime: (uname, compression) => ownRuntime(files.node, uname, compression),
    sources: () => {
      const record = treeRecord(files.tree);
      const places = new Map(record.files.map((file) => [file.hash, file.path]));
      return {
        manifest: {
          hash: record.tree,
          files: record.files.map((file) => ({ ...file, size: 0 })),
          entries: record.entries,
        },
        blob: (hash) => readFileSync(path.join(files.tree, places.get(hash) ?? "")),
      };
    },
  };
}

/** What `uname -sm` says on machines for which our own runtime is right. */
const ownUname = (): string => {
  const machine = { x64: "x86_64", arm64: platform() === "darwin" ? "arm64" : "aarch64" }[
    arch() as "x64" | "arm64"
  ];
  return `${platform() === "darwin" ? "Darwin" : "Linux"} ${machine}`;
};

let made: Promise<Runtime> | undefined;

/** Our own binary, compressed once for as long as this worker lives. */
function ownRuntime(node: string, uname: string, compression: Compression): Promise<Runtime> {
  if (uname !== ownUname()) {
    throw new ConsfigError(
      `the host between runs ${ownUname()} and has no Node for ${uname}; deploy to it from a controller, or install Node 24 there`,
    );
  }
  made ??= compress(node, compression);
  return made;
}

/** The file has no name, so that nothing of it stays when we are killed. */
async function compress(node: string, compression: Compression): Promise<Runtime> {
  const place = path.join(tmpdir(), `consfigurator-runtime-${process.pid}`);
  const unnamed = openSync(place, "wx+", 0o600);
  unlinkSync(place);
  const file = `/proc/self/fd/${unnamed}`;
  await pipeline(createReadStream(node), compressorFor(compression), createWriteStream(file));
  return {
    id: `node-${process.version.slice(1)}-${platform()}-${arch()}`,
    sha256: await sha256(node),
    size: statSync(node).size,
    compressed: { file, size: statSync(file).size },
  };
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
