import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { cacheHome, root } from "../../../lib/util/package";

const script = path.join(__dirname, "_crashing.ts");

/** Applies in a child process with the home directory `dir`; the steps, or undefined when it was killed. */
function run(kind: string, dir: string, crashes: string): string[] | undefined {
  const register = path.join(root, "lib/source/register.js");
  const { XDG_STATE_HOME: _ours, ...env } = process.env;
  const { stdout, stderr, signal } = spawnSync(
    process.execPath,
    ["--require", register, script, kind, dir, crashes],
    { encoding: "utf8", env: { ...env, HOME: dir, XDG_CACHE_HOME: path.dirname(cacheHome) } },
  );
  if (signal === "SIGKILL") return undefined;
  assert.equal(stderr, "");
  return JSON.parse(stdout) as string[];
}

for (const kind of ["agent", "posix"]) {
  describe(`killed with SIGKILL, ${kind === "agent" ? "in the agent" : "over a shell"}`, () => {
    for (const crashes of ["change", "then"]) {
      test(`in the middle of the ${crashes === "change" ? "change" : "follow-up"}: the next deployment runs the follow-up`, (t) => {
        const dir = mkdtempSync(path.join(tmpdir(), "crash-"));
        t.after(() => rmSync(dir, { recursive: true, force: true }));
        const marks = path.join(dir, ".local/state/consfigurator/pending");

        assert.equal(run(kind, dir, crashes), undefined, "it was killed");
        assert.equal(existsSync(path.join(dir, "config")), true);
        assert.equal(existsSync(path.join(dir, "restarted")), false);
        const [mark = ""] = readdirSync(marks);
        assert.equal(statSync(marks).mode & 0o777, 0o700);
        assert.equal(statSync(path.join(marks, mark)).mode & 0o777, 0o600);

        assert.deepEqual(run(kind, dir, "nowhere"), ["unchanged config", "changed restarted"]);
        assert.deepEqual(readdirSync(marks), []);
        assert.deepEqual(run(kind, dir, "nowhere"), ["unchanged config"]);
      });
    }
  });
}
