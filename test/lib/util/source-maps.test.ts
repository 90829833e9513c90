import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { root } from "../../../lib/util/package";
import { forgetSourceMap, mapped, setSourceMap, sourceMapOf } from "../../../lib/util/source-maps.js";

/** The second line of `a.ts` has become the first of its compiled form. */
const COMPILED = `f();\n//# sourceMappingURL=data:application/json;charset=utf-8;base64,${Buffer.from(
  JSON.stringify({ version: 3, sources: ["a.ts"], names: [], mappings: "AACA" }),
).toString("base64")}`;

test("positions are mapped by the form that was loaded last, until it is forgotten", () => {
  setSourceMap("/a.ts", COMPILED);
  const map = sourceMapOf("/a.ts");
  assert.ok(map);
  assert.deepEqual(mapped(map, 1, 1), { line: 2, column: 1 });
  setSourceMap("/a.ts", "f();");
  assert.equal(sourceMapOf("/a.ts"), undefined);
  setSourceMap("/a.ts", COMPILED);
  forgetSourceMap("/a.ts");
  assert.equal(sourceMapOf("/a.ts"), undefined);
});

test("stacks show the sources, with causes, promises, and errors that cannot be shown", (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), "maps-test-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, "throws.ts");
  writeFileSync(
    file,
    `interface Gone { a: 1 }
class Odd extends Error {
  override get name(): string { throw 1; }
}
async function later(): Promise<never> {
  await null;
  throw new Error("late", { cause: new TypeError("early") });
}
later().catch((error: Error) => {
  console.log(error.stack?.replace(/\\n.*node:internal.*/g, ""));
  console.log((error.cause as Error).stack?.split("\\n")[1]);
  console.log(new Odd().stack?.split("\\n").slice(0, 2).join("\\n"));
});
`,
  );
  const register = path.join(root, "lib/source/register.js");
  const output = execFileSync(process.execPath, ["--require", register, file], { encoding: "utf8" });
  assert.equal(
    output,
    `Error: late
    at later (${file}:7:9)
    at later (${file}:7:36)
<error>
    at ${file}:12:15
`,
  );
});
