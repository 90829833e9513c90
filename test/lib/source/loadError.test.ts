import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { hosts } from "../../../lib/model/host";
import { properties } from "../../../lib/model/property";
import { ConsfigLoadError } from "../../../lib/source/consfig";
import { excerpt } from "../../../lib/source/loadError";
import { propertyFile, workspace } from "./_workspace";

/** The error message for a consfig of `files`, which fails to load. */
function refusal(t: TestContext, files: Readonly<Record<string, string>>): string {
  const { error } = workspace(t, files).consfig.refresh();
  assert.ok(error instanceof ConsfigLoadError);
  return error.message;
}

test("a syntax error is shown at its line", (t) => {
  assert.equal(
    refusal(t, { "hosts/a.ts": "export const a = 1;\nconst b = foo(;\n" }),
    ["hosts/a.ts:2:15: ')' expected.", "", "  2 | const b = foo(;", "    |               ^"].join("\n"),
  );
});

test("an exception is shown at the user's innermost line, with the user's frames only", (t) => {
  const { consfig, root } = workspace(t, {
    "hosts/a.ts": 'import { make } from "./_b";\n\nexport const a = make("x");\n',
    "hosts/_b.ts":
      'interface Unused {}\n\nexport function make(name: string): number {\n  return JSON.parse("{").length + name;\n}\n',
  });
  const { error } = consfig.refresh();
  assert.equal(
    error?.message,
    [
      "hosts/_b.ts:4:15: SyntaxError: Expected property name or '}' in JSON at position 1 (line 1 column 2)",
      "",
      '  4 |   return JSON.parse("{").length + name;',
      "    |               ^",
    ].join("\n"),
  );
  assert.deepEqual([error?.file, error?.line, error?.column], [path.join(root, "hosts/_b.ts"), 4, 15]);
  assert.deepEqual(
    error?.stack?.split("\n").filter((line) => line.startsWith("    at ")),
    ["    at make (hosts/_b.ts:4:15)", "    at Object.<anonymous> (hosts/a.ts:3:22)"],
  );
});

test("invalid arguments are shown at the call", (t) => {
  assert.equal(
    refusal(t, {
      "hosts/a.ts": 'import { defhost } from "consfigurator";\nexport const a = defhost("no name");\n',
    }),
    [
      'hosts/a.ts:2:25: defhost: name is "no name"; it must be a host name',
      "",
      '  2 | export const a = defhost("no name");',
      "    |                         ^",
    ].join("\n"),
  );
});

test("a thrown value that is not an Error", (t) => {
  assert.equal(
    refusal(t, { "hosts/a.ts": 'throw "up";\n' }),
    'hosts/a.ts: threw "up", which is not an Error',
  );
});

test("two properties with one name", (t) => {
  const files = { "properties/a.ts": propertyFile("x.one"), "properties/b.ts": `\n${propertyFile("x.one")}` };
  assert.equal(
    refusal(t, files),
    [
      'properties/b.ts:4:27: the property "x.one" is defined twice: at properties/a.ts:3:27 and at properties/b.ts:4:27; give one of them another name',
      "",
      "  4 | export const one = defprop({",
      "    |                           ^",
    ].join("\n"),
  );
});

test("two properties with one name, defined by the same helper", (t) => {
  const make =
    'import { defprop, schema } from "consfigurator";\nexport const make = (name: string) => defprop({ name, kind: "posix", args: schema.object({}), apply: async () => "changed" });\n';
  const use = 'import { make } from "./_make";\nexport const one = make("x.one");\n';
  const message = refusal(t, { "properties/_make.ts": make, "properties/a.ts": use, "properties/b.ts": use });
  assert.match(message, /the property "x.one" is defined twice/);
});

test("a missing module, with a suggestion", (t) => {
  const files = {
    "hosts/a.ts": 'import "../shared/y";\nimport "../shared/motdd";\n',
    "shared/y.ts": "",
    "shared/motd.ts": "",
  };
  assert.equal(
    refusal(t, files),
    [
      "hosts/a.ts:2:1: cannot find '../shared/motdd'; did you mean '../shared/motd'?",
      "",
      '  2 | import "../shared/motdd";',
      "    | ^",
    ].join("\n"),
  );
  assert.match(
    refusal(t, { "hosts/a.ts": 'import "./nothing-like-it";' }),
    /^hosts\/a.ts:1:1: cannot find '.\/nothing-like-it'\n/,
  );
});

test("an npm package that is not installed, or uses top-level await", (t) => {
  assert.match(
    refusal(t, { "hosts/a.ts": 'import left from "left-behind/sub";\nexport const a = left;\n' }),
    /^hosts\/a.ts:1:1: cannot find the npm package "left-behind"; run: npm install left-behind\n/,
  );
  const slow = {
    "hosts/a.ts": 'import { slow } from "slow";\nexport const a = slow;\n',
    "node_modules/slow/package.json": '{"name":"slow","type":"module","exports":"./index.js"}',
    "node_modules/slow/index.js": "export const slow = await 1;",
  };
  assert.match(
    refusal(t, slow),
    /^hosts\/a.ts:1:1: the npm package "slow" uses top-level await, so a.ts cannot import it statically; write await import\("slow"\) inside the function that needs it\n/,
  );
});

test("circular imports are refused with the cycle; type imports do not count", (t) => {
  assert.equal(
    refusal(t, {
      "hosts/a.ts": 'import { b } from "./_b";\nexport const a = b;\n',
      "hosts/_b.ts": 'import { c } from "./_c";\nexport const b = c;\n',
      "hosts/_c.ts": 'import { a } from "./a";\nexport const c = [a];\n',
    }),
    [
      "hosts/_c.ts:1:1: circular import: hosts/a.ts → hosts/_b.ts → hosts/_c.ts → hosts/a.ts; move the shared code into a file that imports none of these (import type is allowed)",
      "",
      '  1 | import { a } from "./a";',
      "    | ^",
    ].join("\n"),
  );
  const { consfig } = workspace(t, {
    "hosts/a.ts": 'import { b } from "./_b";\nexport interface A { a: number }\nexport const a = b;\n',
    "hosts/_b.ts": 'import { type A } from "./a";\nexport const b: A = { a: 1 };\n',
  });
  assert.equal(consfig.refresh().error, undefined);
});

test("constructs that CommonJS lacks are reported with a fix", (t) => {
  assert.equal(
    refusal(t, { "hosts/a.ts": "interface Unused {}\nexport const a = await 3;\n" }),
    [
      "hosts/a.ts:2:18: top-level await is not allowed: this file is loaded synchronously; move the await into a function",
      "",
      "  2 | export const a = await 3;",
      "    |                  ^",
    ].join("\n"),
  );
  assert.match(
    refusal(t, { "hosts/a.ts": "export const a = import.meta.main;\n" }),
    /^hosts\/a.ts:1:18: of import.meta, only url, dirname and filename are available: this file is compiled to CommonJS\n/,
  );
});

test("invalid JSON", (t) => {
  assert.equal(
    refusal(t, { "hosts/data.json": '{\n  "a": 1,\n  b: 2\n}\n' }),
    [
      "hosts/data.json:3:3: invalid JSON: Expected double-quoted property name",
      "",
      "  3 |   b: 2",
      "    |   ^",
    ].join("\n"),
  );
  assert.match(
    refusal(t, { "hosts/data.json": "" }),
    /^hosts\/data.json:1:1: invalid JSON: Unexpected end of JSON input/,
  );
});

test("a failed evaluation leaves everything as it was until a fix", (t) => {
  const { consfig, write, remove } = workspace(t, {
    "hosts/a.ts":
      'import { defhost } from "consfigurator";\nimport { b } from "./_b";\nexport const a = defhost("a.example.com", { desc: b });\n',
    "hosts/_b.ts": 'export const b = "one";\n',
    "properties/p.ts": propertyFile("p.one", "one"),
  });
  consfig.refresh();
  const { a } = consfig.scope();
  const before = { properties: properties.snapshot(), hosts: hosts.snapshot() };
  const one = properties.get("p.one");

  write({
    "properties/p.ts": `${propertyFile("p.one", "two")}throw new TypeError("no");\n`,
    "properties/new.ts": propertyFile("new.one"),
    "hosts/_b.ts": 'export const b = "two";\n',
  });
  const { loaded, removed, error } = consfig.refresh();
  assert.deepEqual(
    { loaded, removed, message: error?.message.split("\n")[0] },
    {
      loaded: [],
      removed: [],
      message: "properties/p.ts:10:7: TypeError: no",
    },
  );
  assert.equal(consfig.scope()["a"], a);
  assert.equal(properties.get("p.one"), one);
  assert.deepEqual([...properties.snapshot()], [...before.properties]);
  assert.deepEqual([...hosts.snapshot()], [...before.hosts]);
  assert.equal(consfig.refresh().error, error, "not evaluated again while nothing changed");

  write({ "properties/p.ts": propertyFile("p.one", "three") });
  assert.deepEqual([...consfig.refresh().loaded].sort(), [
    "hosts/_b.ts",
    "hosts/a.ts",
    "properties/new.ts",
    "properties/p.ts",
  ]);
  assert.equal(properties.get("p.one")?.definition.desc?.({}), "three");
  assert.equal((consfig.scope()["a"] as { desc: string }).desc, "two");

  write({ "hosts/c.ts": 'import "../shared/d";\n' });
  assert.ok(consfig.refresh().error);
  write({ "shared/d.ts": "export {};\n" });
  assert.deepEqual(
    consfig.refresh().loaded,
    ["shared/d.ts", "hosts/c.ts"],
    "the creation of the missing file is noticed",
  );
  write({ "hosts/c.ts": "const;\n" });
  assert.ok(consfig.refresh().error);
  remove("hosts/c.ts");
  assert.deepEqual(consfig.refresh(), { loaded: [], removed: ["hosts/c.ts", "shared/d.ts"], notices: [] });
});

test("restoring the previous content after a failure loads nothing", (t) => {
  const { consfig, write } = workspace(t, { "hosts/a.ts": "export const a = 1;\n" });
  consfig.refresh();
  write({ "hosts/a.ts": "export const a = ;\n" });
  assert.ok(consfig.refresh().error);
  write({ "hosts/a.ts": "export const a = 1;\n" });
  assert.deepEqual(consfig.refresh(), { loaded: [], removed: [], notices: [] });
});

test("after a failure the code that stays loaded has the right lines in stacks", (t) => {
  const { consfig, write } = workspace(t, {
    "hosts/a.ts": "export function a() {\n  return new Error('x').stack;\n}\n",
    "hosts/b.ts": "export {};\n",
  });
  consfig.refresh();
  const { a } = consfig.scope() as { a: () => string };
  write({
    "hosts/a.ts": "interface Unused {\n}\n\n\n\nexport function a() {\n  return 1;\n}\n",
    "hosts/b.ts": "throw new Error('no');\n",
  });
  assert.ok(consfig.refresh().error);
  assert.match(a(), /hosts\/a\.ts:2:10\)/);
});

test("a file that is removed while it is imported", (t) => {
  const { consfig, root } = workspace(t, {
    "hosts/a.ts": 'import { b } from "./_b";\nexport const a = b;\n',
    "hosts/_b.ts": "export const b = 1;\n",
  });
  consfig.refresh();
  rmSync(path.join(root, "hosts/_b.ts"));
  assert.match(consfig.refresh().error?.message ?? "", /^hosts\/a.ts:1:1: cannot find '.\/_b'\n/);
  assert.equal(consfig.scope()["a"], 1);
});

test("a long line is shortened around the column, tabs become spaces", () => {
  const line = `${"x".repeat(200)}HERE${"y".repeat(200)}`;
  const [, , shown = "", caret = ""] = excerpt({ file: "a.ts", line: 1, column: 201 }, line).split("\n");
  assert.equal(shown.length, 72);
  assert.equal(shown.indexOf("HERE"), caret.indexOf("^"));
  assert.equal(excerpt({ file: "a.ts", line: 1, column: 2 }, "\tx"), "\n\n  1 |  x\n    |  ^");
  assert.equal(excerpt({ file: "a.ts", line: 7 }, "x"), "");
});
