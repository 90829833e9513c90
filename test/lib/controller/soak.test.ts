/** Deployments of changing sources from one prompt: nothing grows. `npm run soak` makes a thousand, to a real host. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { cacheHome } from "../../../lib/util/package";
import { soak } from "../../endurance/soak";
import { needsTerminal } from "../../repl/_terminal";
import { limit } from "../../support/load";
import { localAgent } from "../agent/_local";
import { SHARED_CACHES } from "../agent/_rig";

test("forty deployments of changing sources from one prompt", {
  ...needsTerminal,
  timeout: limit(180),
}, async (t) => {
  const on = localAgent();
  t.after(() => on.stop());
  const cache = path.join(on.dir, "cache/consfigurator");
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  // What compiling the library takes is not of interest here.
  for (const name of SHARED_CACHES) {
    // The compiler of this process may have made it by now.
    rmSync(path.join(cache, name), { recursive: true, force: true });
    symlinkSync(path.join(cacheHome, name), path.join(cache, name));
  }
  const problems = await soak(
    {
      hops: "via.local(), via.agent()",
      agent: path.join(cache, "agent"),
      exec: async (script) => execFileSync("sh", ["-c", script], { encoding: "utf8" }),
    },
    on.dir,
    { count: 40, seed: 1, print: (line) => t.diagnostic(line) },
  );
  assert.deepEqual(problems, []);
});
