import assert from "node:assert/strict";
import { test } from "node:test";
import { checkTypes } from "../../../lib/source/check";
import { workspace } from "./_workspace";

test("type errors have file, line, column, message and source line; a correct consfig has none", async (t) => {
  const { root, write } = workspace(t, {
    "hosts/a.ts":
      'import { defhost } from "consfigurator";\nimport { file } from "consfigurator/properties";\n\nexport const a = defhost("a.example.com", file.containsLines("/etc/motd", 7));\n',
    "hosts/_b.ts": "export const b: number = 'x';\n",
    "hosts/c.test.ts": "export const c: number = 'x';\n",
    "properties/p.ts": "export const p = ;\n",
  });
  assert.deepEqual(await checkTypes(root), [
    {
      file: "hosts/_b.ts",
      line: 1,
      column: 14,
      message: "Type 'string' is not assignable to type 'number'.",
      source: "export const b: number = 'x';",
    },
    {
      file: "hosts/a.ts",
      line: 4,
      column: 75,
      message: "Argument of type 'number' is not assignable to parameter of type 'Lines | EditOptions'.",
      source: 'export const a = defhost("a.example.com", file.containsLines("/etc/motd", 7));',
    },
    {
      file: "properties/p.ts",
      line: 1,
      column: 18,
      message: "Expression expected.",
      source: "export const p = ;",
    },
  ]);
  write({
    "hosts/a.ts":
      'import { readFileSync } from "node:fs";\nexport const a = (text: string) => text.length + readFileSync("x").length;\n',
    "hosts/_b.ts": "export {};\n",
    "properties/p.ts": "export const p = (loose) => loose;\n",
    "tsconfig.json": '{ "compilerOptions": { "strict": false } }',
  });
  assert.deepEqual(await checkTypes(root), [], "the user's own settings apply");
});

test("a check can be aborted", async (t) => {
  const { root } = workspace(t, { "hosts/a.ts": "export {};\n" });
  const controller = new AbortController();
  const checked = checkTypes(root, { signal: controller.signal });
  controller.abort();
  await assert.rejects(checked, { name: "AbortError" });
});
