import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { needsTerminal, prompt } from "../_terminal";

const ALTERNATE = "\u001b[?1049h";
const USUAL = "\u001b[?1049l";

/** What would be left behind: who listens to the terminal, the window and the process. */
const LISTENERS =
  "[process.stdout.listenerCount('resize'), process.stdin.listenerCount('data'), process.listenerCount('SIGINT'), process.listenerCount('exit')].join()";

test("a host on the whole screen, and then the prompt as it was", needsTerminal, async (t) => {
  const at = await prompt(t, {
    "hosts/other.ts": `import { defhost } from "consfigurator";
export const nohops = defhost("nohops.example.org");
`,
  });
  await at.type(".look heer", /there is no host "heer"; did you mean here\?\nconsfig> $/);
  await at.type(
    ".look nohops",
    /no hops are known for nohops\.example\.org; add \{ deploy: \[…\] \} to its defhost\(\)\nconsfig> $/,
  );
  let raw = "";
  at.child.stdout.on("data", (chunk: Buffer) => (raw += chunk.toString()));
  const before = await at.type(LISTENERS, /'[\d,]+'\nconsfig> $/);
  at.keys(".look here\r");
  await at.until(/would change +content of greeting +hosts\/here\.ts:4:81/);
  assert.ok(raw.includes(ALTERNATE));
  assert.ok(!raw.includes(USUAL));
  at.keys("\r");
  await at.until(/greeting: created, mode 0644, \+1[\s\S]*\+hello[\s\S]*`path` has exactly `content`/);
  at.keys("q7");
  await at.until(/place[\s\S]*>\/.*%/);
  at.keys("/no such place\r");
  await at.until(/nothing matches no such place/);
  at.keys("q1 + 1\r");
  await at.until(/\n2\nconsfig> $/);
  assert.ok(raw.lastIndexOf(USUAL) > raw.lastIndexOf(ALTERNATE));
  at.keys("\u001b[A\u001b[A");
  await at.until(/\.look here$/);
  const after = await at.type(`\u0015${LISTENERS}`, /'[\d,]+'\nconsfig> $/);
  assert.equal(/'.*'\n/.exec(after)?.[0], /'.*'\n/.exec(before)?.[0]);
});

test("a deployment asks first, and is printed at the prompt afterwards", needsTerminal, async (t) => {
  const at = await prompt(t);
  const greeting = path.join(at.env["HOME"] ?? "", "greeting");
  at.keys(".look here\r");
  await at.until(/would change +content of greeting/);
  at.keys("d");
  await at.until(/deploy here\.example\.org\? \(y\/n\)/);
  at.keys("n");
  await at.until(/nothing was done/);
  assert.ok(!existsSync(greeting));
  at.keys("dy");
  await at.until(/here\.example\.org: 1 changed in/);
  await at.until(/holds/);
  assert.ok(existsSync(greeting));
  at.keys("\u0003");
  await at.until(/ {2}\+ content of greeting.*\n\+ here\.example\.org: 1 changed in .*\nconsfig> $/);
  await at.type(".report", /\+ here\.example\.org: 1 changed in/);
});
