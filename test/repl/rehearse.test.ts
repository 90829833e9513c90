import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { whyNoClone } from "../../lib/connection/sandbox";
import type { DeployEvent } from "../../lib/model/events";
import { limit } from "../support/load";
import { consfigWith, run } from "./_consfig";

/** With `CI=true` nothing is skipped: the first test fails with the reason. */
const needsClone = {
  skip: process.env["CI"] === "true" ? false : (whyNoClone() ?? false),
  timeout: limit(120),
};

/** A consfig with a host that is this machine, and a file of it. */
function consfig(t: TestContext) {
  const file = `/srv/rehearse-test-${process.pid}`;
  t.after(() => rmSync(file, { force: true }));
  const hosts = `import { defhost, via } from "consfigurator";
import { file } from "consfigurator/properties";

export const there = defhost("there.example.org", { deploy: [via.local()] }, file.hasContent("${file}", ["hello"]));
`;
  return { ...consfigWith(t, { "hosts/there.ts": hosts }), file };
}

test(
  "consfig rehearse: what differs in the clone, exit code 3, and a file that can be applied",
  needsClone,
  async (t) => {
    const { root, env, file } = consfig(t);
    const out = path.join(env["HOME"] ?? "", "rehearsal");
    const args = ["there.example.org", "--consfig", root];
    const rehearsed = await run(["rehearse", ...args, "--out", out], { env });
    assert.deepEqual([rehearsed.code, rehearsed.stderr, existsSync(file)], [3, "", false], rehearsed.stdout);
    assert.match(
      rehearsed.stdout,
      new RegExp(
        `^changed   there\\.example\\.org :: content of ${file}.*
          files that differ in the clone:
            ${file}: created, mode 0644, \\+1
            @@ -0,0 \\+1 @@
            \\+hello
(?: {10,}.*\n)* {10}the clone was up after [\\d.]+ m?s, and its files took [\\d.]+ MB of memory; it is gone
changed   there\\.example\\.org: 1 changed \\(rehearsed in .*\\)
${out}: the plan of 1 host\n$`,
      ),
    );
    const applied = await run(["apply", out, "--consfig", root], { env });
    assert.equal(applied.code, 0, applied.stdout);
    assert.match(applied.stdout, /^notice {4}there\.example\.org :: as rehearsed: 1 file of 1$/m);
    assert.equal(readFileSync(file, "utf8"), "hello\n");
    const again = await run(["rehearse", ...args, "--json"], { env });
    assert.equal(again.code, 0, again.stdout);
    const events = again.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as DeployEvent);
    assert.equal(events[0]?.kind === "deployment-started" && events[0].rehearsal, true);
    const found = events.find((event) => event.kind === "rehearsed");
    assert.deepEqual([found?.rehearsal.ok, found?.rehearsal.changes], [true, []]);
    assert.equal(events.at(-1)?.kind, "deployment-ended");
  },
);

test("consfig rehearse: a host that cannot be cloned is planned", needsClone, async (t) => {
  const { root, env, file } = consfig(t);
  // Without the programs that make namespaces.
  const bin = path.join(env["HOME"] ?? "", "bin");
  mkdirSync(bin);
  for (const name of readdirSync("/usr/bin"))
    if (!["unshare", "pivot_root"].includes(name)) symlinkSync(`/usr/bin/${name}`, path.join(bin, name));
  writeFileSync(
    path.join(root, "hosts/bare.ts"),
    `import { defhost, via } from "consfigurator";
import { file } from "consfigurator/properties";

export const bare = defhost("bare.example.org", { deploy: [via.local(), via.shellWrap("env", "PATH=${bin}")] }, file.hasContent("${file}", ["hello"]));
`,
  );
  const { code, stdout } = await run(["rehearse", "bare.example.org", "--consfig", root], { env });
  assert.equal(code, 3);
  assert.match(
    stdout,
    /^notice {4}bare\.example\.org :: bare\.example\.org cannot be rehearsed: the machine has no unshare, pivot_root; install util-linux there; this is its plan instead\nwould change bare\.example\.org :: content of /m,
  );
});

test("clone() and .clone at the prompt", needsClone, async (t) => {
  const { root, env, file } = consfig(t);
  const input = [
    "const c = await clone(there)",
    "c",
    ".clone diff",
    "deploy(there, c.hops)",
    ".clone diff",
    ".clone files there",
    ".clone discard",
    "c",
    ".clone diff",
  ];
  const { code, stdout } = await run(["--consfig", root], { env, input: `${input.join("\n")}\n` });
  assert.equal(code, 2);
  assert.match(
    stdout,
    new RegExp(
      `^no changes in the clone of there\\.example\\.org
changed   there\\.example\\.org :: content of ${file}.*
changed   there\\.example\\.org: 1 changed in .*
${file}: created, mode 0644, \\+1
@@ -0,0 \\+1 @@
\\+hello
(?:and .*; \\.clone files lists all\n)?\\+ ${file}
(?:[~+-] .*\n)*discarded the clone of there\\.example\\.org
there is no clone; make one: const c = await clone\\(HOST\\)\n$`,
    ),
  );
  assert.equal(existsSync(file), false);
});

test(".clone says what it takes", async (t) => {
  const { root, env } = consfigWith(t);
  const wrong = await run(["--consfig", root], { env, input: ".clone look\n" });
  assert.equal(wrong.stdout, "usage: .clone diff|files|shell|discard [HOST]\n");
  const none = await run(["--consfig", root], { env, input: ".clone diff here\n" });
  assert.equal(none.stdout, "there is no clone of here; make one: const c = await clone(HOST)\n");
});
