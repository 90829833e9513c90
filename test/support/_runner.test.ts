import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { cacheHome } from "../../lib/util/package";
import { nextOf } from "./_order";
import { processId } from "./_slots";
import { until } from "./until";

const needsProc = { skip: existsSync("/proc/self/stat") ? false : "needs /proc" };
const root = path.resolve(__dirname, "../..");

/** The process of a run of two tests: one ends, the other writes a key, starts a process, and goes on. */
interface Run {
  readonly process: ChildProcess;
  /** What the second test left: its process, and the directory of its key. */
  readonly left: { readonly pid: number; readonly directory: string };
  /** The environment that all runs of the test have. */
  readonly env: NodeJS.ProcessEnv;
  output(): string;
}

async function started(t: TestContext): Promise<Run> {
  const directory = mkdtempSync(path.join(os.tmpdir(), "runner-test-"));
  const note = path.join(directory, "note");
  const file = path.join(directory, "some.test.ts");
  writeFileSync(
    file,
    `import { spawn } from "node:child_process";
    import { mkdtempSync, renameSync, writeFileSync } from "node:fs";
    import { tmpdir } from "node:os";
    import { test } from "node:test";
    test("one", () => {});
    test("two", async () => {
      const directory = mkdtempSync(tmpdir() + "/keys-");
      writeFileSync(directory + "/key", "secret");
      const { pid } = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
      writeFileSync("${note}.new", JSON.stringify({ pid, directory }));
      renameSync("${note}.new", "${note}");
      await new Promise((end) => setTimeout(end, 50_000));
    });`,
  );
  const env = { ...process.env, XDG_CACHE_HOME: path.join(directory, "cache"), TMPDIR: directory };
  // Compiling everything again takes long.
  mkdirSync(path.join(directory, "cache/consfigurator"), { recursive: true });
  symlinkSync(path.join(cacheHome, "compiled"), path.join(directory, "cache/consfigurator/compiled"));
  delete (env as NodeJS.ProcessEnv)["NODE_TEST_CONTEXT"];
  const child = running(directory, env, [path.relative(root, file)]);
  t.after(() => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  let text = "";
  child.stdout?.on("data", (data) => (text += data));
  child.stderr?.on("data", (data) => (text += data));
  await until("the second test", () => existsSync(note), { seconds: 50, saw: () => text });
  return { process: child, left: JSON.parse(readFileSync(note, "utf8")), env, output: () => text };
}

/** A runner with these test files. */
function running(directory: string, env: NodeJS.ProcessEnv, files: readonly string[]): ChildProcess {
  const script = path.join(directory, "run.js");
  const [register, runner, list] = ["lib/source/register.js", "test/support/_runner.ts", files].map((each) =>
    JSON.stringify(typeof each === "string" ? path.join(root, each) : each),
  );
  writeFileSync(script, `require(${register}); require(${runner}).main(${list}, undefined, ${list});\n`);
  return spawn(process.execPath, [script], { env, cwd: root, stdio: "pipe" });
}

const ended = (child: ChildProcess) =>
  new Promise((resolve) => child.once("close", (code, signal) => resolve(code ?? signal)));

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  test(`${signal} ends a run with a summary, and nothing is left`, needsProc, async (t) => {
    const run = await started(t);
    const end = ended(run.process);
    run.process.kill(signal);
    assert.equal(await end, code);
    assert.match(
      run.output(),
      new RegExp(
        `\\nRunning when it was stopped:\\n  .*some\\.test\\.ts: two, for \\d+\\.\\d s\\n\\n1 passed, 0 failed, 0 skipped; stopped by ${signal}, 0 files not started\\n$`,
      ),
    );
    assert.equal(existsSync(run.left.directory), false);
    assert.equal(processId(run.left.pid), undefined);
  });

test("of a killed run the processes end, and the next run removes its files", needsProc, async (t) => {
  const run = await started(t);
  const end = ended(run.process);
  run.process.kill("SIGKILL");
  await end;
  await until("the end of its processes", () => processId(run.left.pid) === undefined);
  assert.equal(existsSync(run.left.directory), true);
  const records = path.join(run.env["XDG_CACHE_HOME"] ?? "", "consfigurator-test/runs");
  assert.equal(readdirSync(records).length, 1);
  const quick = path.join(run.env.TMPDIR ?? "", "quick.test.ts");
  writeFileSync(quick, 'require("node:test").test("one", () => {});\n');
  await ended(running(path.dirname(quick), run.env, [path.relative(root, quick)]));
  assert.equal(existsSync(run.left.directory), false);
  assert.deepEqual(readdirSync(records), []);
});

test("the longest file starts next, but machines do not pile up while others are left", () => {
  const work = (file: string, bootsMachines: boolean) => ({ file, bootsMachines, seconds: 1 });
  const [a, b, c] = [work("a", true), work("b", true), work("c", false)];
  assert.equal(nextOf([a, b, c], [], 2), a);
  assert.equal(nextOf([b, c], [a], 2), c);
  assert.equal(nextOf([b, c], [a], 3), b);
  assert.equal(nextOf([b], [a], 2), b);
  assert.equal(nextOf([], [], 2), undefined);
});
