import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import type { NeededDatum } from "../../repl/check";
import { limit } from "../support/load";
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

const NEEDS_DATA = `import { defhost, deploys, registerDataSource, source, via } from "consfigurator";
import { file } from "consfigurator/properties";

registerDataSource(source.filesTree("data"));
const inner = defhost("inner.example.org", { deploy: [via.ssh()] }, file.hostSecretUploaded("/etc/key"));
export const outer = defhost("outer.example.org", { deploy: [via.ssh()] }, file.dataUploaded("_ca", "cert", "/etc/ca"), deploys(inner));
`;

test("data that no source has is a problem of each host that needs it, also to pass it on", async (t) => {
  const { root, env } = consfigWith(t, { "hosts/data.ts": NEEDS_DATA, "data/_ca/cert": "x" });
  const { code, stdout } = await run(["check", "--consfig", root], { env });
  assert.equal(code, 2);
  const missing = `no data source has (inner.example.org, /etc/key); source.filesTree('data'): put it into ${path.join(root, "data/inner.example.org/etc/key")}`;
  assert.equal(
    stdout,
    `hosts/data.ts:5:22: inner.example.org: ${missing}
hosts/data.ts:6:29: outer.example.org: ${missing}
outer.example.org: needs the data (_ca, cert) from source.filesTree('data')
2 problems found
`,
  );
});

test("the data that hosts need is listed with its source, and nothing is fetched", async (t) => {
  const hosts = `import { defhost, plan, registerDataSource, source, via } from "consfigurator";
import { file } from "consfigurator/properties";

registerDataSource(source.filesTree("data"), source.commandOutput({ command: ["touch", "fetched"], iden1: "_app", iden2: "token" }));
const ca = file.dataUploaded("_ca", "cert", "/srv/check-test-ca");
export const one = defhost("one.example.org", { deploy: [via.local()] }, ca, file.secretUploaded("_app", "token", "/srv/check-test-token"));
export const two = defhost("two.example.org", { deploy: [via.local()] }, ca);
`;
  const { root, env } = consfigWith(t, { "hosts/data.ts": hosts, "data/_ca/cert": "x" });
  const ca = "(_ca, cert) from source.filesTree('data')";
  const token =
    "(_app, token) from source.commandOutput({ command: [ 'touch', 'fetched' ], iden1: '_app', iden2: 'token' }), which may ask you";
  const text = await run(["check", "--consfig", root], { env, cwd: root });
  assert.equal(
    text.stdout,
    `one.example.org: needs the data ${token}
one.example.org, two.example.org: needs the data ${ca}
types OK, all hosts prepare: broken.example.org, here.example.org, one.example.org, slow.example.org, two.example.org
`,
  );
  const json = await run(["check", "--json", "--consfig", root], { env, cwd: root });
  assert.deepEqual(
    JSON.parse(json.stdout).data.map(({ datum, hosts, asks }: NeededDatum) => [datum, hosts, asks]),
    [
      [["_app", "token"], ["one.example.org"], true],
      [["_ca", "cert"], ["one.example.org", "two.example.org"], undefined],
    ],
  );
  const planned = await run(["plan", "one", "two", "--consfig", root], { env, cwd: root });
  assert.deepEqual(
    planned.stdout
      .split("\n")
      .filter((line) => line.startsWith("notice"))
      .sort(),
    [
      `notice    one.example.org :: needs the data ${token}; ${ca}`,
      `notice    two.example.org :: needs the data ${ca}`,
    ],
  );
  assert.equal(existsSync(path.join(root, "fetched")), false);
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

test("what a deployment would refuse of an executable is reported with its line, and the types of services", {
  timeout: limit(240),
}, async (t) => {
  const service = (text: string) => `${text}\nexport const start = (): void => {};\n`;
  const services: Record<string, [text: string, problem: string]> = {
    syntax: ["const x = ;", "services/syntax.ts:1:11: Expression expected."],
    missing: [
      'import "./mising";',
      "services/missing.ts:1:1: cannot find './mising'; did you mean './missing'?",
    ],
    esm: [
      'import "./x.mjs";',
      "services/esm.ts:1:1: cannot load './x.mjs': only .ts, .tsx, .js and .json files can be imported; rename it to ./x.js",
    ],
    npm: [
      'import "left-pad";',
      'services/npm.ts:1:1: cannot find the npm package "left-pad"; run: npm install left-pad',
    ],
    alias: [
      'import "@lib/x";',
      `services/alias.ts:1:1: '@lib/x' is a path alias ("@lib/*" in tsconfig.json), which only the type checker knows; import it by a relative path`,
    ],
    native: [
      'import "addon";',
      'the npm package "addon", imported at services/native.ts:1, is a native addon; only packages of pure JavaScript, and those with prebuilt binaries in packages of their own (napi-rs), can be sent to a host',
    ],
    page: [
      'export const page = new URL("./page.html", import.meta.url);',
      "services/page.ts:1:21: there is no file './page.html' beside page.ts",
    ],
    computed: [
      "export const load = (n: string) => import(`./x/${n}`);",
      "services/computed.ts:1:36: import(`./x/${n}`) loads a module that is known only when the code runs; an executable contains the modules that are named by a literal",
    ],
    thread: [
      'import { Worker } from "node:worker_threads";\nexport const w = () => new Worker(__filename);',
      "services/thread.ts:2:24: a worker thread loads a module of its own, which an executable does not contain; use a process of its own, with a further imageDumped",
    ],
    require: [
      'import { createRequire } from "node:module";\nexport const r = createRequire(import.meta.url);',
      "services/require.ts:2:18: createRequire loads what an executable does not contain; import the module by its name",
    ],
  };
  const dumps = Object.keys(services).map(
    (name) => `  imageDumped("/opt/${name}", { module: "../services/${name}", call: "start" }),`,
  );
  const { root, env } = consfigWith(t, {
    "hosts/web.ts": `import { defhost, imageDumped, via } from "consfigurator";\nexport const web = defhost("web.example.org", { deploy: [via.ssh(), via.agent()] },\n${dumps.join("\n")}\n);\n`,
    "tsconfig.json": '{ "compilerOptions": { "paths": { "@lib/*": ["./lib/*"] } } }',
    "services/x.mjs": "export {};\n",
    "services/typed.ts": 'export const n: number = "x";\n',
    "node_modules/addon/package.json":
      '{ "name": "addon", "version": "1.0.0", "gypfile": true, "main": "index.js" }',
    "node_modules/addon/index.js": "module.exports = 1;\n",
    ...Object.fromEntries(
      Object.entries(services).map(([name, [text]]) => [`services/${name}.ts`, service(text)]),
    ),
  });
  const { code, stdout } = await run(["check", "--consfig", root, "--json"], { env });
  assert.equal(code, 2);
  const { problems } = JSON.parse(stdout) as {
    problems: { found: string; file: string; line: number; message: string }[];
  };
  const types = problems.filter(({ found }) => found === "types");
  assert.ok(
    types.some(
      ({ file, line, message }) =>
        file === "services/typed.ts" && line === 1 && /not assignable/.test(message),
    ),
  );
  Object.entries(services).forEach(([name, [, problem]], index) => {
    const found = problems.find(
      (each) => each.found === "host" && each.message.startsWith(`imageDumped('/opt/${name}'`),
    );
    assert.deepEqual([found?.file, found?.line], ["hosts/web.ts", index + 3], name);
    const wanted = `imageDumped('/opt/${name}', { module: '../services/${name}', call: 'start' }): ${problem}`;
    assert.equal(found?.message, wanted);
  });
});
