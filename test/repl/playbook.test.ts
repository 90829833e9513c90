import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { until } from "../support/until";
import { command, consfigWith, goOn, run } from "./_consfig";

test("a playbook runs to its end", async (t) => {
  const { root, env } = consfigWith(t, {
    "first.repl": `# A comment of shells, and
// one of TypeScript.
import { note } from "./note"
const report = deploy(here)
function message(): string { return note + report.host }
console.log(message(), report.changed.length)

.load second.repl
`,
    "second.repl": "console.log('second', /* what the first declared */ report.ok)\n",
    "note.ts": 'export const note: string = "deployed ";\n',
  });
  const { code, stdout, stderr } = await run(["play", path.join(root, "first.repl"), "--consfig", root], {
    env,
  });
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  assert.match(
    stdout,
    /^changed {3}here\.example\.org :: content of greeting.*\nchanged {3}here\.example\.org: 1 changed in .*\ndeployed here\.example\.org 1\nsecond true\n$/,
  );
  assert.equal(readFileSync(path.join(env["HOME"] ?? "", "greeting"), "utf8"), "hello\n");
});

test("it stops at the first deployment that fails", async (t) => {
  const { root, env } = consfigWith(t);
  const { code, stdout } = await run(["--consfig", root], {
    env,
    input: "deploy([broken, here])\nconsole.log('on')\n",
  });
  assert.equal(code, 1);
  assert.match(stdout, /failed {4}broken\.example\.org: 1 failed/);
  assert.match(stdout, /\| before\n/);
  assert.doesNotMatch(stdout, /^on$/m);
});

test("--json: one event per line; everything else goes to standard error", async (t) => {
  const { root, env } = consfigWith(t);
  const input = "console.log('aside')\ndeploy(here)\n";
  const { code, stdout, stderr } = await run(["--json", "--consfig", root], { env, input });
  assert.equal(code, 0);
  assert.equal(stderr, "aside\n");
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { v: number; kind: string });
  assert.ok(events.every(({ v }) => v === 1));
  assert.equal(events[0]?.kind, "deployment-started");
  assert.equal(events.at(-1)?.kind, "deployment-ended");
});

test("a slow reader of a pipe gets all of the output", async (t) => {
  const { root, env } = consfigWith(t);
  const child = spawn(process.execPath, [command, "--consfig", root], { env, stdio: "pipe" });
  child.stdin.end("console.log('x'.repeat(400_000)); console.log('the end')\n");
  child.stderr.resume();
  await new Promise((resolve) => setTimeout(resolve, 3000));
  let stdout = "";
  for await (const chunk of child.stdout) stdout += chunk;
  assert.equal(stdout.length, 400_000 + "\nthe end\n".length);
});

test("--verbose and .verbose on: every command, below its step", async (t) => {
  const { root, env } = consfigWith(t, { "all.repl": "deploy(broken)\n" });
  const all =
    /hop {7}broken\.example\.org :: opened via\.local\(\) in .*\nfailed {4}broken\.example\.org :: .*\n {8}› echo before; exit 3 \(exit code 3, .*\)\n {8}\| before\n/;
  const played = await run(["play", path.join(root, "all.repl"), "-vvv", "--consfig", root], { env });
  assert.match(played.stdout, all);
  const input = ".verbose\n.verbose on\ndeploy(broken)\n";
  const piped = await run(["--consfig", root], { env, input });
  assert.match(piped.stdout, all);
  assert.ok(
    piped.stdout.startsWith(
      "off: new deployments show only their steps\non: new deployments show every command\n",
    ),
  );
  const wrong = await run(["--consfig", root], { env, input: ".verbose very\n" });
  assert.deepEqual([wrong.code, wrong.stdout], [2, "usage: .verbose [on|off]\n"]);
});

test("a package that is not installed is named, at the line", async (t) => {
  const { root, env } = consfigWith(t);
  const { code, stdout } = await run(["--consfig", root], {
    env,
    cwd: root,
    input: 'import { x } from "@no/pe/deep"\n',
  });
  assert.deepEqual(
    [code, stdout.split("\n")[0]],
    [2, 'cannot find the npm package "@no/pe"; run: npm install @no/pe'],
  );
});

test("nothing in an invalid playbook runs", async (t) => {
  const { root, env } = consfigWith(t);
  const cases: [input: string, expected: RegExp][] = [
    ["deploy(here)\nconst x = ;\n", /^Expression expected \(stdin:2:11\)\n$/],
    ["deploy(here)\nif (true) {\n", /^stdin: unexpected end of input: '}' expected/],
  ];
  for (const [input, expected] of cases) {
    const { code, stdout } = await run(["--consfig", root], { env, cwd: root, input });
    assert.equal(code, 2);
    assert.match(stdout, expected);
    assert.ok(!existsSync(path.join(env["HOME"] ?? "", "greeting")));
  }
});

test("a file that is not a playbook is refused with the reason", async (t) => {
  const { root, env } = consfigWith(t);
  const cases: [file: string, expected: string][] = [
    ["hosts/here.ts", "hosts/here.ts is a TypeScript module; a playbook is a .repl file\n"],
    ["web.repl", "no such playbook: web.repl\n"],
    ["hosts", "cannot read hosts: EISDIR: illegal operation on a directory, read\n"],
  ];
  for (const [file, expected] of cases)
    assert.deepEqual(await run(["play", file, "--consfig", root], { env, cwd: root }), {
      code: 2,
      stdout: expected,
      stderr: "",
    });
  const nowhere = await run(["play", "web.repl", "--consfig", `${root}/no`], { env, cwd: root });
  assert.deepEqual(
    [nowhere.code, nowhere.stderr],
    [2, `consfig: ${root}/no is not a consfig: no such directory; create one with: consfig init DIR\n`],
  );
});

test("an error ends a playbook and shows its line", async (t) => {
  const { root, env } = consfigWith(t);
  const input = "const a: number = 1\n\n  heer\n";
  const { code, stdout } = await run(["--consfig", root], { env, cwd: root, input });
  assert.deepEqual(
    { code, stdout },
    { code: 2, stdout: "ReferenceError: heer is not defined\ndid you mean here?\n  at stdin:3:3\n" },
  );
});

test("a load error of the consfig shows its line", async (t) => {
  const { root, env } = consfigWith(t, {
    "hosts/wrong.ts": "export const a = 1;\nexport const b = missing;\n",
  });
  const { code, stdout } = await run(["--consfig", root], { env, input: "deploy(here)\n" });
  assert.equal(code, 2);
  assert.match(stdout, /hosts\/wrong\.ts:2:18: /);
});

const NO_COMMAND = (name: string) =>
  `consfig: there is no command "${name}"; the commands are deploy, play, plan, rehearse, apply, check, init; without one, the prompt opens\n`;

test("a wrong command line is refused with what is allowed", async (t) => {
  const { root, env } = consfigWith(t);
  const cases: [args: string[], expected: string][] = [
    [["plya"], 'consfig: there is no command "plya"; did you mean: consfig play\n'],
    [["site.repl"], 'consfig: there is no command "site.repl"; did you mean: consfig play site.repl\n'],
    [["stop"], NO_COMMAND("stop")],
    [["exit"], NO_COMMAND("exit")],
    [["list"], NO_COMMAND("list")],
    [["paly"], 'consfig: there is no command "paly"; did you mean: consfig play\n'],
    [["depoly"], 'consfig: there is no command "depoly"; did you mean: consfig deploy\n'],
    [["help"], 'consfig: there is no command "help"; did you mean: consfig --help\n'],
    [["deploy"], "consfig: deploy needs a host: consfig deploy HOST…; consfig check lists them\n"],
    [["play"], "consfig: play needs one playbook: consfig play FILE\n"],
    [
      ["--jason"],
      "consfig: Unknown option '--jason'; the options are --consfig DIR, --json, --out FILE, --strict, --verbose, --no-check, --help, --version\n",
    ],
  ];
  for (const [args, expected] of cases) {
    assert.deepEqual(await run(args, { env, cwd: root }), { code: 2, stdout: "", stderr: expected });
  }
});

test("init creates a consfig that passes check and play", async (t) => {
  const { root, env } = consfigWith(t);
  const created = path.join(root, "created");
  assert.equal((await run(["init", created], { env })).code, 0);
  const checked = await run(["check", "--consfig", created], { env });
  assert.deepEqual(checked, {
    code: 0,
    stdout: "types OK, all hosts prepare: example\n",
    stderr: "",
  });
  assert.equal(
    (await run(["play", path.join(created, "playbooks/example.repl"), "--consfig", created], { env })).code,
    0,
  );
  const again = await run(["init", created], { env });
  assert.match(again.stderr, /created is not empty; choose an empty or new directory\n$/);
});

test("piped input runs as it arrives, and lines keep their numbers", async (t) => {
  const { root, env } = consfigWith(t);
  const child = spawn(process.execPath, [command, "--consfig", root], { env, cwd: root, stdio: "pipe" });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  const printed = (pattern: RegExp) => until(`${pattern}`, () => pattern.test(stdout), { saw: () => stdout });
  child.stdin.write("console.log('one')\nconst add = (a: number,\n");
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(stdout, "", "the input ends in the middle of a statement");
  child.stdin.write("  b: number) => a + b\n");
  await printed(/^one\n$/);
  child.stdin.write("console.log(add(1, 2))\n");
  await printed(/^one\n3\n$/);
  child.stdin.end("heer");
  assert.equal(await new Promise((resolve) => child.on("close", resolve)), 2);
  assert.match(stdout, /heer is not defined[\s\S]* {2}at stdin:5:1\n$/);
});

for (const [signal, exitCode, again] of [
  ["SIGINT", 130, "press Ctrl-C again"],
  ["SIGTERM", 143, "send SIGTERM again"],
] as const)
  test(`${signal} stops after the running step, with exit code ${exitCode} and a last line`, async (t) => {
    const { root, env } = consfigWith(t);
    const child = spawn(process.execPath, [command, "play", "-", "--consfig", root, "--json"], {
      env,
      stdio: "pipe",
    });
    child.stdin.end("deploy(slow)\nconsole.log('not reached')\n");
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      if (stdout.includes('"text":"begun') && !child.killed) child.kill(signal);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
      if (stderr.includes("stopping after the running step")) goOn(env);
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, exitCode);
    assert.match(stdout, /"status":"changed"/);
    assert.match(stdout.trimEnd().split("\n").at(-1) ?? "", /"kind":"deployment-ended"/);
    assert.equal(
      stderr,
      `stopping after the running step; ${again} to cancel that step\nconsfig: ended by ${signal}; no deployment is running\n`,
    );
    assert.ok(!existsSync(path.join(env["HOME"] ?? "", "not-reached")));
  });

test("when nobody reads the output, the running step ends, and no other statement begins", async (t) => {
  const { root, env } = consfigWith(t);
  for (const closed of ["stdout", "both"]) {
    const child = spawn(process.execPath, [command, "play", "-", "--consfig", root, "--json"], {
      env,
      stdio: "pipe",
    });
    const reached = path.join(env["HOME"] ?? "", "reached");
    child.stdin.end(`deploy(slow)\nfs.writeFileSync(${JSON.stringify(reached)}, "")\n`);
    let [stdout, stderr] = ["", ""];
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      if (!stdout.includes('"text":"begun')) return;
      child.stdout.destroy();
      if (closed === "both") child.stderr.destroy();
      goOn(env);
    });
    assert.equal(await new Promise((resolve) => child.on("exit", resolve)), 141);
    if (closed === "stdout")
      await until("the last line", () => stderr.endsWith("no deployment is running\n"), {
        saw: () => stderr,
      });
    assert.ok(!existsSync(reached));
    rmSync(path.join(env["HOME"] ?? "", "go-on"));
  }
});

test("a signal while nothing is deployed ends a playbook at once", async (t) => {
  const { root, env } = consfigWith(t);
  const child = spawn(process.execPath, [command, "--consfig", root], { env, stdio: "pipe" });
  child.stdin.end("console.log('begun'); await new Promise((resolve) => setTimeout(resolve, 50_000))\n");
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdout.once("data", () => child.kill("SIGTERM"));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.deepEqual(
    { code, stderr },
    { code: 143, stderr: "consfig: ended by SIGTERM; no deployment is running\n" },
  );
});

test("consfig deploy: hosts by either name, exit codes, events", async (t) => {
  const { root, env } = consfigWith(t);
  const deploy = (...args: string[]) => run(["deploy", ...args, "--consfig", root], { env });
  const both = await deploy("here", "here.example.org");
  assert.deepEqual([both.code, both.stderr], [0, ""]);
  assert.match(
    both.stdout,
    /^changed {3}here\.example\.org :: content of greeting.*\nchanged {3}here\.example\.org: 1 changed in .*\n$/,
  );
  const failed = await deploy("here", "broken", "--json");
  assert.equal(failed.code, 1);
  const ended = failed.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string; host: string; status: string })
    .filter(({ kind }) => kind === "deployment-ended")
    .map(({ host, status }) => [host, status]);
  assert.deepEqual(Object.fromEntries(ended), {
    "here.example.org": "unchanged",
    "broken.example.org": "failed",
  });
  assert.deepEqual(await deploy("heer"), {
    code: 2,
    stdout: 'there is no host "heer"; did you mean here?\n',
    stderr: "",
  });
});
