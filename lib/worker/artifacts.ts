import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, openSync, readFileSync, statSync, unlinkSync } from "node:fs";
import { arch, platform, tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { compressorFor } from "../agent/shared/compression";
import { treeRecord } from "../agent/shared/tree";
import type { AgentArtifacts, ArtifactFiles, Compression, Runtime } from "../model/agent-artifacts";
import { ConsfigError } from "../model/errors";

/** The artifacts that a worker passes on to further agents: its own runtime, boot file and tree. */
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
      const paths = new Map(record.files.map((file) => [file.hash, file.path]));
      return {
        manifest: {
          hash: record.tree,
          files: record.files.map((file) => ({ ...file, size: 0 })),
          entries: record.entries,
        },
        blob: (hash) => readFileSync(path.join(files.tree, paths.get(hash) ?? "")),
      };
    },
  };
}

/** The output of `uname -sm` on machines that can run our own runtime. */
const ownUname = (): string => {
  const machine = { x64: "x86_64", arm64: platform() === "darwin" ? "arm64" : "aarch64" }[
    arch() as "x64" | "arm64"
  ];
  return `${platform() === "darwin" ? "Darwin" : "Linux"} ${machine}`;
};

let cached: Promise<Runtime> | undefined;

/** Our own binary, compressed once in the lifetime of this worker. */
function ownRuntime(node: string, uname: string, compression: Compression): Promise<Runtime> {
  if (uname !== ownUname()) {
    throw new ConsfigError(
      `this host runs ${ownUname()} and has no Node for ${uname}; install Node 24 on the further host, or deploy to it from the controller`,
    );
  }
  cached ??= compress(node, compression);
  return cached;
}

/** The file is unlinked, so that nothing remains when this process is killed. */
async function compress(node: string, compression: Compression): Promise<Runtime> {
  const name = path.join(tmpdir(), `consfigurator-runtime-${randomBytes(12).toString("hex")}`);
  const unlinked = openSync(name, "wx+", 0o600);
  unlinkSync(name);
  const file = `/proc/self/fd/${unlinked}`;
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
