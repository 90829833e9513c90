import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { session } from "../../lib/controller/session";
import type { Evaluated } from "../../lib/explore/on";
import type { Rows } from "../../lib/explore/rows";
import { openConsfig } from "../../lib/source/consfig";
import { captured } from "../../repl/_typed-functions";
import { runStatements } from "../../repl/evaluate";
import { Workspace } from "../../repl/workspace";
import { type LocalAgent, localAgent } from "../lib/agent/_local";
import { assertOk, prop, type Rig, rig } from "../lib/agent/_rig";
import { needsMachines } from "../support/machines";
import { consfigWith, run } from "./_consfig";

const files = (hop: string) => ({
  "hosts/web1.ts": `import { defhost, Secret, via } from "consfigurator";
import { file } from "consfigurator/properties";
export const web1 = defhost("web1.example.org", { deploy: [${hop}, via.agent()] }, file.containsLines("/etc/motd", "x"));
export const password = new Secret("hunter2");
`,
  "properties/spool.ts": `import { file } from "consfigurator/properties";
import { dozen } from "../lib/numbers";
export class Queue { constructor(readonly length: number) {} }
export const twice = (text: string): string => text.repeat(dozen / 6);
export const made = new Queue(7);
export const emptied = file.containsLines;
`,
  "node_modules/tiny/package.json": '{ "name": "tiny", "version": "1.0.0", "main": "index.js" }',
  "node_modules/tiny/index.js": "exports.parse = (text) => text.split(String());\n",
  "lib/numbers.ts":
    "export const dozen = 12;\nconst hidden = () => dozen;\nexport const hiding = { hidden };\n",
});

/** Types at a prompt of the consfig of the session. */
function typing() {
  const { consfig } = session;
  assert.ok(consfig);
  const { error } = consfig.refresh();
  if (error) throw error;
  const workspace = new Workspace(consfig);
  workspace.refresh();
  session.typed = (fn) => captured(fn, workspace);
  let inputs = 0;
  const type = async (text: string, file?: string): Promise<unknown> => {
    if (file === undefined) inputs += 1;
    return runStatements(workspace.compile(text, file ?? `prompt://${inputs}`), workspace.scope);
  };
  return Object.assign(type, { inputs: () => inputs });
}

type Answers = Rows<Evaluated<unknown>>;

/** Evaluated on a host: what `text` says of it, typed at the prompt. */
const cases: readonly { readonly typed: readonly string[]; readonly value: unknown }[] = [
  {
    typed: ['import { basename as last } from "node:path"', 'on(web1).eval(() => last("/a/b"))'],
    value: "b",
  },
  {
    typed: ['import * as paths from "node:path"', 'on(web1).eval(() => paths.dirname("/a/b"))'],
    value: "/a",
  },
  {
    typed: ['import vmModule from "node:vm"', 'on(web1).eval(() => vmModule.runInThisContext("40 + 2"))'],
    value: 42,
  },
  { typed: ['on(web1).eval(() => path.join("a", "b"))'], value: "a/b" },
  {
    typed: [
      "const { readFile } = fs.promises",
      'on(web1).eval(async () => (await readFile("/proc/self/comm", "utf8")).length > 0)',
    ],
    value: true,
  },
  {
    typed: ['on(web1).eval(async () => (await import("node:url")).domainToASCII("é.org"))'],
    value: "xn--9ca.org",
  },
  { typed: ['on(web1).eval(() => require("node:path").sep)'], value: "/" },
  {
    typed: [
      "interface Limits { readonly most: number; readonly names: string[] }",
      'const limits: Limits = { most: 3, names: ["a", "b"] }; let nothing',
      "on(web1).eval((more: number): unknown => [limits.most + more, limits.names, nothing === undefined], 4)",
    ],
    value: [7, ["a", "b"], true],
  },
  {
    typed: [
      "const even = (n: number): boolean => n === 0 || odd(n - 1)",
      "function odd(n: number): boolean { return n !== 0 && even(n - 1) }",
      "on(web1).eval(() => [even(10), odd(10)])",
    ],
    value: [true, false],
  },
  { typed: ['on(web1).eval(() => spool.twice("ab"))'], value: "abab" },
  {
    typed: ['import { twice } from "./properties/spool"', 'on(web1).eval(() => twice("ab"))'],
    value: "abab",
  },
  {
    typed: [
      'import { made, Queue } from "./properties/spool"',
      "on(web1).eval(() => made instanceof Queue && made.length)",
    ],
    value: 7,
  },
  {
    typed: [
      "const all = []; for (const n of [1, 2]) { const m = n * 10; all.push(on(web1).eval(() => n + m)) }",
      "all[1]",
    ],
    value: 22,
  },
  {
    typed: ["on(web1).eval(function fib(n = 10): number { return n < 2 ? n : fib(n - 1) + fib(n - 2) })"],
    value: 55,
  },
  {
    typed: ["const _limit = 5", "on(web1).eval(() => { let _limit = 1; _limit += 1; return { _limit } })"],
    value: { _limit: 2 },
  },
];

/** What is typed last is refused. */
const refusals: readonly { readonly typed: readonly string[]; readonly message: string }[] = [
  {
    typed: ["on(web1).eval(() => web1.name)"],
    message:
      "eval: the function uses web1, which is the host web1.example.org; give what is needed of it as an argument, such as its name",
  },
  {
    typed: ["on(web1).eval(() => password.size)"],
    message:
      "eval: the function uses password, which is a secret, and those only go where a property puts them; let a property of the host use it",
  },
  {
    typed: ["const keys = { web: [password] }", "on(web1).eval(() => keys.web.length)"],
    message:
      "eval: the function uses keys, and keys.web[0] is a Secret; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored",
  },
  {
    typed: ['on(web1).eval(() => file.containsLines("/a"))'],
    message:
      "eval: the function uses file, which is a set of properties, and properties are applied by deploy(…)",
  },
  {
    typed: ["on(web1).eval(() => os.hostname())"],
    message:
      'eval: the function uses os, which is a set of properties; for the module of Node, import it under another name: import * as nodeOs from "node:os"',
  },
  {
    typed: ["const { emptied } = spool", 'on(web1).eval(() => emptied("/a"))'],
    message: "eval: the function uses emptied, which is a property, and properties are applied by deploy(…)",
  },
  {
    typed: ["on(web1).eval(() => on(allHosts()))"],
    message:
      "eval: the function uses on, which is a part of consfigurator, which works here and not on the host; give what it returns as an argument; the function uses allHosts, which is a part of consfigurator, which works here and not on the host; give what it returns as an argument",
  },
  {
    typed: ['import { parse } from "tiny"', 'const check = () => parse("1.2.3")', "on(web1).eval(check)"],
    message:
      "eval: check uses parse, which is a function of a file, but no file of the consfig exports it; export it, or a function that uses it, from a file such as properties/checks.ts",
  },
  {
    typed: ["const seen = new Map()", "const helper = () => seen.size", "on(web1).eval(() => helper())"],
    message:
      "eval: helper uses seen, and seen is a Map; only strings, numbers, booleans, null, arrays and plain objects can be sent and stored",
  },
  {
    typed: ["const there = on(web1)", "on(web1).eval(() => there.ports())"],
    message:
      "eval: the function uses there, which is an object with functions; export it, or a function that uses it, from a file such as properties/checks.ts",
  },
  {
    typed: ["let count = 0", "on(web1).eval(() => { count += 1 })"],
    message:
      "eval: the function assigns count, of which the host would have a copy; let it return the new value",
  },
  {
    typed: ["on(web1).eval(() => [this, arguments.length])"],
    message:
      "eval: the function uses this, which belongs to the code around it; give it what it needs as arguments; the function uses arguments, which belongs to the code around it; give it what it needs as arguments",
  },
  {
    typed: ["const bound = ((n) => n).bind(undefined, 1)", "on(web1).eval(() => bound())"],
    message:
      "eval: the function uses bound, which is a bound or native function, whose code cannot be sent; write a function that calls it",
  },
  {
    typed: ["on(web1).eval(bound)"],
    message:
      "eval: bound is a bound or native function, whose code cannot be sent; give a function that calls it, such as () => …",
  },
  {
    typed: ["class Own { size = 1 }", "on(web1).eval(() => new Own().size)"],
    message:
      "eval: Own is a class; write a function, such as () => …, or export it, or a function that uses it, from a file such as properties/checks.ts",
  },
  {
    typed: ["on(web1).eval({ size() { return 1 } }.size)"],
    message:
      "eval: size is a method; write a function, such as () => …, or export it, or a function that uses it, from a file such as properties/checks.ts",
  },
  {
    typed: ["on(web1).eval(() => __filename)"],
    message: "eval: the function uses __filename, which belongs to the prompt; it is not on the host",
  },
];

const broken = `on(web1).eval(() => {
  const values: number[] = [];
  return (values[0] as unknown as { length: { of: number } }).length.of;
})`;
const reading = "TypeError: Cannot read properties of undefined (reading 'length')";

describe("a function that was typed at the prompt, on this host", { concurrency: false }, () => {
  let agent: LocalAgent;
  let type: ReturnType<typeof typing>;
  const ends: (() => void)[] = [];
  before(() => {
    agent = localAgent();
    const { root } = consfigWith({ after: (end) => void ends.push(end as () => void) }, files("via.local()"));
    session.consfig?.close();
    session.consfig = openConsfig(root);
    type = typing();
  });
  after(async () => {
    session.typed = undefined;
    await agent?.stop();
    for (const end of ends) end();
  });

  for (const { typed, value } of cases)
    test(`is evaluated with what it needs: ${typed.join("; ")}`, async () => {
      let last: unknown;
      for (const text of typed) last = await type(text);
      const rows = last as Answers;
      assert.deepEqual([[...rows], rows.errors], [[{ host: "web1.example.org", value }], []]);
    });

  for (const { typed, message } of refusals)
    test(`is refused with what cannot be sent: ${typed.join("; ")}`, async () => {
      for (const text of typed.slice(0, -1)) await type(text);
      await assert.rejects(type(typed.at(-1) ?? ""), { name: "InvalidArguments", message });
    });

  test("throws on the line where that was typed", async () => {
    const { errors } = (await type(broken)) as Answers;
    const at = `prompt[${type.inputs()}]:3:63`;
    assert.deepEqual(errors, [{ host: "web1.example.org", message: `${reading} (${at})` }]);
    await type("const last = (all: string[]) =>\n  all.at(-1)!.length");
    const helper = type.inputs();
    const here = await type("last([])").catch((error: Error) => error.stack ?? "");
    const [, line] = /prompt:\/\/\d+:(2:\d+)/.exec(String(here)) ?? [];
    const later = (await type("on(web1).eval(() => [1].map(() => last([])))")) as Answers;
    assert.equal(later.errors[0]?.message, `${reading} (prompt[${helper}]:${line})`);
  });
});

describe("a function of a playbook, on a machine", { ...needsMachines(), concurrency: false }, () => {
  let rigged: Rig;
  before(async () => {
    rigged = await rig();
    assertOk(await rigged.deploy([prop("cmd.single", "true")]));
    await rigged.arrived();
  });
  after(() => rigged?.stop());

  test("has Node's modules, plain data and the functions of the consfig, and throws on its line", async (t) => {
    const { root, env } = consfigWith(t, {
      ...files(`via.ssh(${JSON.stringify(rigged.ssh().args)})`),
      "checks.repl": `import { readdirSync } from "node:fs"
import { hostname } from "node:os"
const directory: string = "/etc"
const host = on(web1).eval((file: string) => [hostname(), readdirSync(directory).includes(file), spool.twice("a")], "machine-id")
console.log(JSON.stringify(host))
const { errors } = ${broken}
console.log(errors[0].message)
console.log((await on(web1).deployments())[0].status)
`,
    });
    const playbook = path.join(root, "checks.repl");
    const { code, stdout, stderr } = await run(["play", playbook, "--consfig", root], { env });
    assert.deepEqual([code, stderr], [0, ""], stdout);
    assert.match(stdout, /^\[\{"host":"web1.example.org","value":\["web1",true,"aa"\]\}\]$/m);
    assert.match(stdout, /^ +at checks\.repl:8:63$/m);
    assert.match(stdout, /^TypeError: Cannot read .* \(checks\.repl:8:63\)$/m);
    assert.match(stdout, /^failed$/m);
  });
});
