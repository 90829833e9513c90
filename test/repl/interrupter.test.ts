/** Two Ctrl-C at the prompt, while a property keeps the process busy. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promised } from "../support/load";
import { until as waitFor } from "../support/until";
import { needsTerminal, prompt } from "./_terminal";

const BUSY = `import { writeFileSync } from "node:fs";
import { defhost, defprop, schema, via } from "consfigurator";

const busy = defprop({
  name: "busy.busy",
  kind: "posix",
  args: schema.object({ how: schema.string() }),
  call: (how: string) => ({ how }),
  apply: async ({ how }, target) => {
    await target.run("true");
    writeFileSync(process.env.HOME + "/" + how, "");
    if (how === "loop") for (;;);
    for (;;) await undefined;
  },
});
export const loop = defhost("loop.x", { deploy: [via.local()] }, busy("loop"));
export const microtasks = defhost("microtasks.x", { deploy: [via.local()] }, busy("microtasks"));
`;

for (const how of ["loop", "microtasks"])
  test(`two Ctrl-C end a property that is busy without a pause: ${how}`, needsTerminal, async (t) => {
    const { env, keys, type, until } = await prompt(t, { "hosts/busy.ts": BUSY });
    keys(`deploy(${how})\r`);
    await waitFor("the loop", () => existsSync(path.join(env["HOME"] ?? "", how)));
    keys("\u0003");
    keys("\u0003");
    const inTime = promised(15, "the prompt after two Ctrl-C");
    const shown = await until(/cancelled[^\n]*\n[\s\S]*consfig> $/);
    assert.match(shown, /a step did not stop within 4 s and was left as it is/);
    inTime();
    await type("1 + 1", /\n2\nconsfig> $/);
    await type("deploy(here)", /\+ here\.example\.org: 1 changed in .*\nconsfig> $/);
  });
