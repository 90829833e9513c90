import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import {
  compilerIsRunning,
  endCompiler,
  inCompiler,
  inCompilerLater,
} from "../../../lib/util/compiler-process";
import { until } from "../../support/until";

describe("the compiler's process", () => {
  let directory: string;
  /** A module with functions to call. */
  let module: string;
  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), "compiler-process-"));
    module = path.join(directory, "module.js");
    writeFileSync(
      module,
      `exports.sum = (a, b) => a + b;
exports.pid = () => process.pid;
exports.refuse = (value) => { throw Object.assign(new TypeError("no " + value), { line: 3 }); };
exports.leave = () => process.exit(3);
exports.slow = () => new Promise((resolve) => setTimeout(() => resolve("slow"), 200));
`,
    );
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const pid = () => inCompiler(module, "pid") as number;
  const gone = (process: number) => until(`process ${process} is gone`, () => !isRunning(process));

  test("returns what a function returns, in another process, the same for all calls", () => {
    assert.equal(inCompiler(module, "sum", 1, 2), 3);
    const long = "\u2028é\n".repeat(500_000);
    assert.equal(inCompiler(module, "sum", long, "."), `${long}.`);
    assert.notEqual(pid(), process.pid);
    assert.equal(pid(), pid());
    assert.equal(compilerIsRunning(), true);
  });

  test("throws what a function throws, with its name, message and fields", () => {
    assert.throws(() => inCompiler(module, "refuse", "value"), {
      name: "TypeError",
      message: "no value",
      line: 3,
    });
  });

  test("a call that waits goes on during others", async () => {
    const slow = inCompilerLater(module, "slow");
    const refused = assert.rejects(inCompilerLater(module, "refuse", "value"), { message: "no value" });
    assert.equal(inCompiler(module, "sum", "a", "b"), "ab");
    assert.equal(await slow, "slow");
    await refused;
  });

  test("keeps a process that waits for it from ending, and only then", async () => {
    const program = path.join(directory, "waits.js");
    const compiler = require.resolve("../../../lib/util/compiler-process");
    writeFileSync(
      program,
      `const { inCompilerLater } = require(${JSON.stringify(compiler)});
inCompilerLater(${JSON.stringify(module)}, "slow").then((result) => console.log(result));
`,
    );
    const child = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
    const printed: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => printed.push(chunk));
    assert.deepEqual(await once(child, "close"), [0, null]);
    assert.equal(Buffer.concat(printed).toString(), "slow\n");
  });

  test("is started again after it was killed", async () => {
    const before = pid();
    process.kill(before, "SIGKILL");
    await gone(before);
    assert.notEqual(pid(), before);
  });

  test("says so when a call ends it twice", () => {
    assert.throws(() => inCompiler(module, "leave"), {
      message: "the compiler's process has ended unexpectedly",
    });
  });

  test("Ctrl-C leaves it alone", () => {
    const before = pid();
    process.kill(before, "SIGINT");
    assert.equal(pid(), before);
  });

  test("ends after five minutes without a call", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    endCompiler();
    const before = pid();
    t.mock.timers.tick(200_000);
    assert.equal(pid(), before);
    t.mock.timers.tick(200_000);
    assert.equal(pid(), before, "the time begins again with each call");
    t.mock.timers.tick(300_000);
    assert.equal(compilerIsRunning(), false);
    t.mock.timers.reset();
    await gone(before);
    assert.notEqual(pid(), before);
  });

  const library = path.join(__dirname, "../../../lib/util/compiler-process.js");
  /** A process that runs `script`, where `call` calls a function of the module. */
  const using = (script: string) => {
    const program = `const compiler = require(${JSON.stringify(library)}); const call = (how, name) => compiler[how](${JSON.stringify(module)}, name); ${script}`;
    return spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  };

  test("a process that has nothing else to do ends, and leaves nothing", async () => {
    const scripts = {
      'console.log(call("inCompiler", "pid"))': /^\d+\n$/,
      // Nobody waits for this one.
      'call("inCompilerMeanwhile", "slow").then(() => console.log("waited")); console.log(call("inCompiler", "pid"))':
        /^\d+\n(waited\n)?$/,
    };
    for (const [script, expected] of Object.entries(scripts)) {
      const user = using(script);
      const [printed, [code, signal]] = await Promise.all([text(user.stdout), once(user, "exit")]);
      assert.match(printed, expected, script);
      assert.deepEqual([code, signal], [0, null], script);
      await gone(Number.parseInt(printed, 10));
    }
  });

  test("ends with the process that uses it, however that ends", async () => {
    const user = using('console.log(call("inCompiler", "pid")); setInterval(() => {}, 1000);');
    const printed = await new Promise((resolve) => user.stdout.once("data", resolve));
    assert.equal(isRunning(Number(printed)), true);
    user.kill("SIGKILL");
    await gone(Number(printed));
  });
});

const isRunning = (process: number): boolean => {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${process}/status`, "utf8"));
  } catch {
    return false;
  }
};
