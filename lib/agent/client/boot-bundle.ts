import { createHash } from "node:crypto";
import path from "node:path";
import type { BootBundle } from "../../model/agent-artifacts";
import { type Build, keepBuild, readBuild } from "../../util/build-cache";
import { inCompilerLater } from "../../util/compiler-process";
import { cacheHome, root } from "../../util/package";
import { programs } from "../shared/tree";

let bundled: Promise<BootBundle> | undefined;

/** Built by esbuild when a source file has changed, and cached on disk. */
export const bootBundle = (): Promise<BootBundle> => {
  bundled ??= makeBundle();
  return bundled;
};

async function makeBundle(): Promise<BootBundle> {
  const entry = path.join(root, `${programs.boot}.ts`);
  const { version } = require("esbuild/package.json") as { version: string };
  const cached = path.join(cacheHome, "boot", `${hashOf(`${version} ${entry}`)}.json`);
  const code = readBuild(cached) ?? keepBuild(cached, await bundle(entry));
  return { hash: hashOf(code), code: Buffer.from(code) };
}

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);

const bundle = async (entry: string): Promise<Build> =>
  (await inCompilerLater(require.resolve("./_bundle.ts"), "bundle", entry)) as Build;
