import path from "node:path";
import { build } from "esbuild";
import type { Build } from "../../util/build-cache";
import { root } from "../../util/package";

/** One CommonJS file of `entry` and all that it imports. Called in the compiler's process only. */
export async function bundle(entry: string): Promise<Build> {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    absWorkingDir: root,
    platform: "node",
    target: "node22",
    format: "cjs",
    minify: true,
    keepNames: true,
    external: ["msgpackr-extract"],
    logLevel: "silent",
  });
  const inputs = Object.keys(metafile.inputs).map((input) => path.join(root, input));
  return { inputs, code: outputFiles[0]?.text ?? "" };
}
