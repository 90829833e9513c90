import assert from "node:assert/strict";
import test from "node:test";
import { compileInput, IncompleteInput, InvalidInput } from "../../repl/_language";
import { Interrupted, runStatements } from "../../repl/evaluate";
import { Scope } from "../../repl/scope";
import { heapInUse } from "../support/heap";

let inputs = 0;

function session(consfig: Record<string, unknown> = {}) {
  const scope = new Scope({ consfig: () => consfig, library: () => ({}), require });
  const load = async (specifier: string) => require(specifier) as unknown;
  const type = async (text: string, signal?: AbortSignal) => {
    inputs += 1;
    const statements = compileInput(text, `prompt://${inputs}`, { scope: scope.proxy, load });
    return runStatements(statements, scope, signal ? { signal } : {});
  };
  return { scope, type };
}

test("TypeScript, one input after the other, with the value of the last statement", async () => {
  const { type } = session();
  await type(
    "interface P { x: number }\nconst p: P = { x: 1 }, { x } = p, [y = 5, ...rest] = [] as number[]",
  );
  assert.deepEqual(await type("[x, y, rest, p]"), [1, 5, [], { x: 1 }]);
  assert.deepEqual(await type("{ a: 1 }"), { a: 1 });
  assert.equal(await type("enum E { A = 3 }\nE.A"), 3);
});

test("any name can be declared again, and closures see the newest value", async () => {
  const { type } = session();
  await type("const n = 1; const show = () => n");
  await type("const n = 2");
  assert.equal(await type("show()"), 2);
  await type("function f() { return 'old' }; class C { f() { return f() } }; const c = new C()");
  await type("function f() { return 'new' }");
  assert.equal(await type("c.f()"), "new");
  assert.equal(await type("show.name + f.name + C.name"), "showfC");
  await type("import { basename } from 'node:path'");
  await type("import * as basename from 'node:path'");
  assert.equal(await type("basename.basename('/a/b')"), "b");
});

test("reading a member of a report awaits the deployment, except inside a function", async () => {
  const report = { ok: true, changed: [{ desc: "a" }] };
  const { type } = session({ deploy: async () => report });
  assert.equal(await type("deploy('web1').ok"), true);
  assert.deepEqual(await type("const descs = deploy('web1').changed.map((step) => step.desc)\ndescs"), ["a"]);
  assert.equal(await type("if (deploy('web1').ok) { 'ok' }\n[deploy('web1').changed.length, 2][0]"), 1);
  assert.equal(await type("(() => deploy('web1').ok)()"), undefined);
  assert.equal(await type("deploy('web1').then((report) => report.ok)"), true);
});

test("a constant keeps its value unless it is declared again", async () => {
  const { type } = session();
  await type("const n = 1");
  await assert.rejects(type("n = 2"), {
    name: "TypeError",
    message: "n is a constant; to change its value, declare it again: const n = …",
  });
  await type("let n = 5");
  assert.equal(await type("n += 2"), 7);
});

test("a failed declaration leaves its name unchanged", async () => {
  const { type, scope } = session();
  await assert.rejects(type("const fresh = (() => { throw new Error('no') })()"), /no/);
  assert.equal(scope.has("fresh"), false);
  await type("const old = 1");
  await assert.rejects(type("const old = missing"), /missing is not defined/);
  assert.equal(await type("old"), 1);
});

test("promises are awaited, also in declarations and assignments", async () => {
  const { type } = session();
  assert.equal(await type("Promise.resolve(1)"), 1);
  assert.equal(await type("const a = Promise.resolve(2); a"), 2);
  assert.equal(await type("made = Promise.resolve(3); made"), 3);
  assert.equal(await type("await Promise.resolve(4)"), 4);
});

test("names of the consfig are looked up when they are used", async () => {
  const consfig: Record<string, unknown> = { web1: "first" };
  const { type } = session(consfig);
  await type("const show = () => web1");
  consfig["web1"] = "second";
  assert.equal(await type("show()"), "second");
  await assert.rejects(type("web1 += '!'"), {
    message: "web1 is not declared at the prompt; declare it first: const web1 = …",
  });
});

test("incomplete input waits for more", async () => {
  const { type } = session();
  for (const text of ["f(", "`abc", "/* abc", "x.", "if (a) {", "const x =", "[1,", "a +", "(() => {"]) {
    await assert.rejects(type(text), IncompleteInput, text);
  }
});

test("invalid input is refused with its position", async () => {
  const { type } = session();
  await assert.rejects(type("let ok = 1\nconst x = ;"), (error: Error) => {
    assert.ok(error instanceof InvalidInput);
    assert.equal(error.message, `Expression expected (prompt[${inputs}]:2:11)`);
    return true;
  });
  await assert.rejects(type("'abc"), /^SyntaxError: Unterminated string literal/);
});

test("stacks name the line as typed", async () => {
  const { type } = session();
  await assert.rejects(type("1\n  missing"), (error: Error) => {
    assert.match(error.stack ?? "", new RegExp(`prompt://${inputs}:2:3`));
    return true;
  });
  await assert.rejects(type("const a: number = 1\n\nthrow new Error('here')"), (error: Error) => {
    assert.match(error.stack ?? "", new RegExp(`prompt://${inputs}:3:7`));
    return true;
  });
});

test("the signal interrupts waiting", async () => {
  const { type } = session();
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 10);
  await assert.rejects(type("new Promise(() => {})", controller.signal), Interrupted);
});

test("a function from an input of long ago has its lines in stacks", async () => {
  const { type } = session();
  await type("interface Nothing {}\n\nfunction fails() {\n  throw new Error('here')\n}");
  const line = `prompt://${inputs}:4:9`;
  await heapInUse();
  for (let n = 0; n < 20; n += 1) await type(`const x = ${n}`);
  await heapInUse();
  await assert.rejects(type("fails()"), (error: Error) => {
    assert.ok(error.stack?.includes(line), error.stack);
    return true;
  });
});

test("two hundred inputs do not grow the heap", async () => {
  const { type } = session();
  const text = `const x = () => "${"x".repeat(10_000)}"`;
  for (let n = 0; n < 20; n += 1) await type(text);
  const before = await heapInUse();
  for (let n = 0; n < 200; n += 1) await type(text);
  const grown = (await heapInUse()) - before;
  assert.ok(grown < 1, `grew by ${grown.toFixed(1)} MB`);
});
