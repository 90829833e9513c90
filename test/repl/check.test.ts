import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { consfigWith, run } from "./_consfig";

const WRONG = `import { as, defhost, deploys, onChange, via } from "consfigurator";
import { apt, cmd } from "consfigurator/properties";

export const n: number = "text";
export const inner = defhost("inner.example.org", { deploy: [via.ssh()] }, apt.installed("hello"));
export const outer = defhost("outer.example.org", { deploy: [via.ssh(), via.agent()] },
  onChange(apt.installed("x"), cmd.single("true")),
  deploys(inner),
  as("joe", apt.installed("y")));
`;

interface Checked {
  readonly v: number;
  readonly ok: boolean;
  readonly hosts: readonly string[];
  readonly problems: readonly unknown[];
}

test("check reports every problem with its line, without connecting", async (t) => {
  const { root, env } = consfigWith(t, { "hosts/wrong.ts": WRONG });
  const { code, stdout } = await run(["check", "--consfig", root], { env });
  assert.equal(code, 2);
  const needs = (host: string) =>
    `it needs a debianlike system, but ${host} has no operating system declared yet; put os.debianStable("bookworm", "amd64") or the like before it`;
  assert.equal(
    stdout,
    `hosts/wrong.ts:4:14: Type 'string' is not assignable to type 'number'.
hosts/wrong.ts:5:80: inner.example.org: apt.installed('hello'): ${needs("inner.example.org")}
hosts/wrong.ts:7:16: outer.example.org: apt.installed('x'): ${needs("outer.example.org")}
hosts/wrong.ts:5:80: outer.example.org: apt.installed('hello'): ${needs("inner.example.org")}
hosts/wrong.ts:9:17: outer.example.org: apt.installed('y'): ${needs("outer.example.org")}
5 problems found
`,
  );
  const json = await run(["check", "--consfig", root, "--json"], { env });
  assert.equal(json.code, 2);
  const { v, ok, hosts, problems } = JSON.parse(json.stdout) as Checked;
  assert.deepEqual(
    { v, ok, hosts: hosts.length, problems: problems.length },
    { v: 1, ok: false, hosts: 5, problems: 5 },
  );
  assert.deepEqual(problems[1], {
    found: "host",
    host: "inner.example.org",
    file: "hosts/wrong.ts",
    line: 5,
    column: 80,
    message: `apt.installed('hello'): ${needs("inner.example.org")}`,
  });
});

test("a load error is reported once", async (t) => {
  const { root, env } = consfigWith(t, {
    "hosts/wrong.ts": "export const x = ;\n",
    "hosts/typed.ts": 'export const n: number = "x";\n',
  });
  const { code, stdout } = await run(["check", "--consfig", root], { env });
  assert.equal(code, 2);
  assert.equal(
    stdout,
    "hosts/typed.ts:1:14: Type 'string' is not assignable to type 'number'.\nhosts/wrong.ts:1:18: Expression expected.\n2 problems found\n",
  );
});

test("a directory that is not a consfig is a problem, so that CI fails in the wrong directory", async (t) => {
  const { root, env } = consfigWith(t);
  const empty = path.dirname(root);
  const { code, stdout } = await run(["check"], { env, cwd: empty });
  assert.deepEqual(
    [code, stdout],
    [
      2,
      `${empty} has neither hosts/ nor properties/; run \`consfig init\` to create a working consfig\n1 problem found\n`,
    ],
  );
});
