/**
 * Compiles all sources, so that no test file starts a compiler of its own: that would take each the time of a hundred files.
 * What cannot be compiled is left to the test file that loads it.
 */
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { compile } from "../../lib/source/register";
import { root } from "../../lib/util/package";

for (const name of globSync("{lib,properties,repl,hosts,test}/**/*.{ts,tsx}", { cwd: root })) {
  if (name.endsWith(".d.ts")) continue;
  const file = path.join(root, name);
  try {
    compile(readFileSync(file, "utf8"), file);
  } catch {
    // The error belongs to whoever loads the file.
  }
}
