import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { FileResult } from "./_collected";
import { runTestFile } from "./_test-file";
import { until } from "./until";

const root = path.resolve(__dirname, "../..");

describe("runTestFile", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), "test-file-"));
    // With this variable node:test refuses to run files from within a test file.
    delete process.env.NODE_TEST_CONTEXT;
  });
  after(() => rmSync(directory, { recursive: true }));

  let count = 0;
  function fileWith(text: string): string {
    count += 1;
    const file = path.join(directory, `${count}.test.ts`);
    writeFileSync(file, `import { before, describe, test } from "node:test";\n${text}`);
    return path.relative(root, file);
  }
  const resultOf = (text: string, timeout = 30_000): Promise<FileResult> =>
    runTestFile(fileWith(text), { root, timeout, grace: 500 });

  test("reports passed, failed and skipped tests, with locations", async () => {
    const { passed, failures, skips, output } = await resultOf(`
      describe("all", () => {
        test("good", () => {});
        test("bad", () => { console.log("noise"); throw "no good"; });
        test("left out", { skip: "too slow" }, () => {});
      });
      describe("left out whole", { skip: "no machines" }, () => { test("one", () => {}); });`);
    const file = path.relative(root, path.join(directory, `${count}.test.ts`));
    assert.equal(passed, 1);
    assert.deepEqual(failures, [{ name: "all › bad", location: `${file}:5`, detail: "no good" }]);
    assert.deepEqual(skips, [
      { name: "all › left out", location: `${file}:6`, reason: "too slow" },
      { name: "left out whole", location: `${file}:8`, reason: "no machines" },
    ]);
    assert.equal(output, "noise\n");
  });

  test("counts a suite whose hook fails, and its cancelled tests", async () => {
    const { passed, failures } = await resultOf(`
      describe("all", () => {
        before(() => { throw "not ready"; });
        test("one", () => {});
      });`);
    assert.equal(passed, 0);
    assert.deepEqual(
      failures.map(({ name, detail }) => `${name}: ${detail}`),
      ["all › one: test did not finish before its parent and was cancelled", "all: not ready"],
    );
  });

  for (const [what, text, detail] of [
    ["that throws", "throw new Error('broken');", "exited with code 1"],
    ["without tests", "console.log(before, describe, test);", "has no tests"],
    ["that is not TypeScript", "const = ;", "exited with code 1"],
  ] as const) {
    test(`fails a file ${what}`, async () => {
      const { failures } = await resultOf(text);
      assert.deepEqual(
        failures.map((failure) => `${failure.name}: ${failure.detail}`),
        [`the file: ${detail}`],
      );
    });
  }

  for (const [what, text] of [
    ["waits forever", "test('one', () => {}); setInterval(() => {}, 1000);"],
    ["is stuck in a loop", "process.on('SIGTERM', () => {}); test('one', () => { for (;;); });"],
  ] as const) {
    test(`kills a file that ${what}`, async () => {
      const { failures } = await resultOf(text, 1500);
      assert.match(
        failures.at(-1)?.detail ?? "",
        /^did not finish within 1.5 s; killed(\nrunning:\n {2}one, .*)?$/,
      );
    });
  }

  const waits = `
    import assert from "node:assert/strict";
    import { spawn } from "node:child_process";
    import { until } from ${JSON.stringify(path.join(__dirname, "until"))};
    const look = { seconds: 20, saw: () => "only clouds" };
`;

  test("a test that takes too long shows what it waited for; the others go on", async () => {
    const { passed, failures } = await resultOf(`${waits}
      test("the sky", { timeout: 300 }, async (t) => {
        const child = spawn("sleep", ["20"]);
        t.after(() => child.kill());
        assert.equal(1, 1);
        await until("the moon", () => false, look);
      });
      describe("a suite", () => {
        before(() => until("a machine", () => ({ console: "login:" }).console === ""), { timeout: 300 });
        test("on it", () => {});
      });
      test("next", () => {});`);
    assert.equal(passed, 1);
    const seconds = (text = "") =>
      text.replace(/\d+\.\d s/g, "N s").replace(/\d+ \(\d\d:\d\d\)/, "PID (AGE)");
    const file = path.join(directory, `${count}.test.ts`);
    assert.equal(
      seconds(failures[0]?.detail),
      `did not finish within N s
it waited for:
  the moon, for N s; seen last:
  only clouds
its last assertion: assert.equal at TestContext.<anonymous> (${file}:11:16)
processes below it:
  PID (AGE) sleep 20`,
    );
    assert.equal(failures[1]?.name, "a suite › on it");
    assert.match(
      seconds(failures[2]?.detail),
      /^before did not finish within N s; it waited for:\n {2}a machine, for N s\nits last assertion: .*\nno process was below it$/,
    );
  });

  test("a stopped file is no failure, and shows what was running", async () => {
    const stop = new AbortController();
    const begun = path.join(directory, "begun");
    const text = `test("one", () => {});
      test("two", async () => {
        await new Promise((end) => setTimeout(end, 100)); // the end of the first one is reported
        require("node:fs").writeFileSync(${JSON.stringify(begun)}, "");
        await new Promise((end) => setTimeout(end, 30_000));
      });`;
    const result = runTestFile(fileWith(text), { root, timeout: 30_000, signal: stop.signal });
    await until("the second test", () => existsSync(begun));
    stop.abort();
    const { passed, failures, running } = await result;
    assert.deepEqual([passed, failures], [1, []]);
    assert.match(running?.join() ?? "", /^two, for \d\.\d s$/);
  });
});
