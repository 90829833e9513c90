/** A consfig that has nothing but files. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { setSiteRoot } from "../../lib/model/site";

/**
 * Until the end of the test, paths of the consfig start at a new directory with `files`; those that end with `*` are
 * executable.
 */
export function scratchConfig(t: TestContext, files: Readonly<Record<string, string | Buffer>>): string {
  const root = mkdtempSync(path.join(tmpdir(), "consfig-"));
  setSiteRoot(root);
  t.after(() => {
    setSiteRoot(process.cwd());
    rmSync(root, { recursive: true, force: true });
  });
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(root, name.replace(/\*$/, ""));
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    if (name.endsWith("*")) chmodSync(file, 0o755);
  }
  return root;
}
