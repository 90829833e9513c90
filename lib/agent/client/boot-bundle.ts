import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cacheHome, root } from "../../source/register";
import { programs } from "../modules";

/** The one file that a host is sent besides the runtime, and the name by which both ends know it. */
export interface BootBundle {
  readonly hash: string;
  readonly code: Buffer;
}

let bundled: Promise<BootBundle> | undefined;

/** Made by esbuild once for each content of its sources, and kept on disk. */
export const bootBundle = (): Promise<BootBundle> => {
  bundled ??= makeBundle();
  return bundled;
};

async function makeBundle(): Promise<BootBundle> {
  const directory = path.join(root, "lib", "agent");
  const sources = readdirSync(directory)
    .filter((name) => name.endsWith(".ts"))
    .sort();
  const key = createHash("sha256");
  for (const source of sources) key.update(source).update(readFileSync(path.join(directory, source)));
  for (const other of ["lib/errors.ts", "node_modules/msgpackr/package.json"])
    key.update(readFileSync(path.join(root, other)));
  const kept = path.join(cacheHome, "boot", `${key.digest("hex").slice(0, 32)}.js`);
  const code = read(kept) ?? (await bundle(path.join(root, `${programs.boot}.ts`), kept));
  return { hash: createHash("sha256").update(code).digest("hex").slice(0, 32), code };
}

function read(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

async function bundle(entry: string, kept: string): Promise<Buffer> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: "node",
    target: "node22",
    format: "cjs",
    minify: true,
    keepNames: true,
    external: ["msgpackr-extract"],
    logLevel: "silent",
  });
  const code = Buffer.from(outputFiles[0]?.contents ?? "");
  mkdirSync(path.dirname(kept), { recursive: true, mode: 0o700 });
  const temporary = `${kept}.${process.pid}`;
  writeFileSync(temporary, code);
  renameSync(temporary, kept);
  return code;
}
