import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { needsTerminal, prompt } from "./_terminal";

const TYPE_ERROR =
  /hosts\/typed\.ts:1:14: Type 'string' is not assignable to type 'number'\.\ntype errors do not block deployments; \.check shows all\nconsfig> $/;

test(
  "saved files are checked while the prompt is idle; .check shows all errors",
  needsTerminal,
  async (t) => {
    const { root, keys, until, type } = await prompt(t);
    keys("");
    const save = (text: string) => writeFileSync(path.join(root, "hosts/typed.ts"), text);
    save('export const n: number = "x";\n');
    await until(TYPE_ERROR);
    await type("n", /\n'x'\nconsfig> $/);
    await type(
      ".check",
      /hosts\/typed\.ts:1:14: Type 'string' is not assignable to type 'number'\.\n {2}1 \| export const n: number = "x";\n {4}\| {14}\^\nconsfig> $/,
    );
    keys("");
    save("export const n: number = 1;\n");
    await until(/types OK again\nconsfig> $/);
    await type(".check", /types OK\nconsfig> $/);
    await type(".check of", /usage: \.check \[on\|off\]/);
  },
);

test("--no-check", needsTerminal, async (t) => {
  const { root, type } = await prompt(t, {}, { args: "--no-check" });
  writeFileSync(path.join(root, "hosts/typed.ts"), 'export const n: number = "x";\n');
  await wait(5000);
  assert.match(await type("n", /consfig> $/), /^n\n'x'\nconsfig> $/);
});
