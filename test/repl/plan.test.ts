import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import type { DeployEvent } from "../../lib/model/events";
import { consfigWith, run } from "./_consfig";

const fails = {
  "hosts/fails.ts": `import { defhost, via } from "consfigurator";
import { file } from "consfigurator/properties";

export const fails = defhost("fails.example.org", { deploy: [via.local()] }, file.hasMode("nothing", 0o600));
`,
};

test("consfig plan: exit code 3 when something would change, 0 when nothing would", async (t) => {
  const { root, env } = consfigWith(t);
  const greeting = path.join(env["HOME"] ?? "", "greeting");
  const args = ["plan", "here.example.org", "--consfig", root];
  const changes = await run(args, { env });
  assert.deepEqual([changes.code, changes.stderr], [3, ""]);
  assert.match(
    changes.stdout,
    /^would change here\.example\.org :: content of greeting.*\n {10}greeting: created, mode 0644, \+1\n {10}@@ -0,0 \+1 @@\n {10}\+hello\nwould change here\.example\.org: 1 would change \(planned in .*\)\n$/,
  );
  assert.equal(existsSync(greeting), false);
  writeFileSync(greeting, "hello\n");
  // Also by the name that it has at the prompt.
  const holds = await run(["plan", "here", "--consfig", root], { env });
  assert.equal(holds.code, 0);
  assert.match(
    holds.stdout,
    /^holds {8}here\.example\.org :: .*\nholds {8}here\.example\.org: 1 holds \(planned in .*\)\n$/,
  );
});

test("consfig plan: exit code 1 when something would fail; the plans of other hosts go on", async (t) => {
  const { root, env } = consfigWith(t, fails);
  const { code, stdout } = await run(["plan", "fails.example.org", "here.example.org", "--consfig", root], {
    env,
  });
  assert.equal(code, 1);
  assert.match(stdout, /^would fail {3}fails\.example\.org :: /m);
  assert.match(stdout, /cannot set the mode of nothing: no such file or directory$/m);
  assert.match(stdout, /^would change here\.example\.org: 1 would change/m);
});

test("consfig plan of all hosts: a command that is not known may change something", async (t) => {
  const { root, env } = consfigWith(t);
  const { code, stdout } = await run(["plan", "--consfig", root], { env });
  assert.equal(code, 3);
  assert.match(
    stdout,
    /^would change broken\.example\.org :: echo before; exit 3.*\n {10}run echo before; exit 3$/m,
  );
  assert.doesNotMatch(stdout, /\| before/);
});

test("consfig plan: exit code 2 for a host that is not there, with what is meant", async (t) => {
  const { root, env } = consfigWith(t);
  const { code, stdout, stderr } = await run(["plan", "heer.example.org", "--consfig", root], { env });
  assert.equal(code, 2);
  assert.equal(stdout + stderr, 'there is no host "heer.example.org"; did you mean here.example.org?\n');
});

test("consfig plan --json: each change is an event, and the plan is in the end of its step", async (t) => {
  const { root, env } = consfigWith(t);
  const { code, stdout } = await run(["plan", "here.example.org", "--json", "--consfig", root], { env });
  assert.equal(code, 3);
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as DeployEvent & { v: number });
  assert.deepEqual(
    events.map(({ v, kind }) => `${v} ${kind}`).filter((each) => !each.includes("hop")),
    ["1 deployment-started", "1 step-started", "1 step-changed", "1 step-ended", "1 deployment-ended"],
  );
  const [started] = events;
  assert.equal(started?.kind === "deployment-started" && started.plan, true);
  const changed = events.find(({ kind }) => kind === "step-changed");
  assert.deepEqual(changed?.kind === "step-changed" && changed.change, {
    kind: "file",
    change: "created",
    path: "greeting",
    type: "file",
    content: { form: "diff", diff: "@@ -0,0 +1 @@\n+hello\n", added: 1, removed: 0 },
    mode: { to: 0o644 },
  });
  const ended = events.find(({ kind }) => kind === "step-ended");
  assert.deepEqual(ended?.kind === "step-ended" && [ended.status, ended.plan], [
    "changed",
    { answer: "would change" },
  ]);
});

test(".diff on and off: deployments show what each step changes", async (t) => {
  const { root, env } = consfigWith(t);
  const shown = / {10}greeting: created, mode 0644, \+1\n/;
  const greeting = path.join(env["HOME"] ?? "", "greeting");
  const on = await run(["--consfig", root], { env, input: ".diff on\ndeploy(here)\n" });
  assert.match(on.stdout, /^on: new deployments show what each step changes\n/);
  assert.match(on.stdout, shown);
  writeFileSync(greeting, "other\n");
  const off = await run(["--consfig", root], { env, input: ".diff on\n.diff off\ndeploy(here)\n" });
  assert.match(off.stdout, /^off: new deployments show only their steps; \.report shows the changes$/m);
  assert.doesNotMatch(off.stdout, /@@/);
  const wrong = await run(["--consfig", root], { env, input: ".diff maybe\n" });
  assert.deepEqual([wrong.code, wrong.stdout], [2, "usage: .diff [on|off]\n"]);
});

test("plan() at the prompt is a value, and touches nothing", async (t) => {
  const { root, env } = consfigWith(t);
  const input = "const p = await plan(here)\nconsole.log(p.plan, p.ok, p.status, p.steps[0]?.plan?.answer)\n";
  const { code, stdout } = await run(["--consfig", root], { env, input });
  assert.equal(code, 0);
  assert.match(stdout, /\ntrue true changed would change\n$/);
  assert.equal(existsSync(path.join(env["HOME"] ?? "", "greeting")), false);
  assert.equal(existsSync(path.join(env["HOME"] ?? "", "state", "consfigurator", "pending")), false);
});
