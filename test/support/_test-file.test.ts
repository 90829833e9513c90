import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { type FileResult, runTestFile } from "./_test-file";

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
  async function resultOf(text: string, timeout = 30_000): Promise<FileResult> {
    count += 1;
    const file = path.join(directory, `${count}.test.ts`);
    writeFileSync(file, `import { before, describe, test } from "node:test";\n${text}`);
    return runTestFile(path.relative(root, file), { root, timeout, grace: 500 });
  }

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
      assert.equal(failures.at(-1)?.detail, "did not finish within 1.5 s; killed");
    });
  }
});
