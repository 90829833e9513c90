import assert from "node:assert/strict";
import { symlinkSync, utimesSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as engine from "../../../lib";
import { hosts } from "../../../lib/model/host";
import { properties } from "../../../lib/model/property";
import { openConsfig } from "../../../lib/source/consfig";
import { root as engineRoot } from "../../../lib/util/package";
import { propertyFile, workspace } from "./_workspace";

const hostFile = (name: string, exported = name.split(".")[0]): string =>
  `import { defhost } from "consfigurator";\nexport const ${exported} = defhost("${name}");\n`;

test("hosts are in scope by their export names, properties by their nouns", (t) => {
  const { consfig } = workspace(t, {
    "hosts/web.ts": hostFile("web.example.com"),
    "hosts/_secret.ts": "throw new Error('not imported');",
    "hosts/web.test.ts": "throw new Error('a test file');",
    "hosts/racks/a1.ts": hostFile("a1.example.com"),
    "properties/cool-web.ts": propertyFile("coolWeb.served"),
    "builtin/file.ts": propertyFile("file.exists"),
  });
  assert.deepEqual(consfig.scope(), {});
  const { loaded, removed, notices, error } = consfig.refresh();
  assert.deepEqual({ removed, notices, error }, { removed: [], notices: [], error: undefined });
  assert.deepEqual([...loaded].sort(), [
    "builtin/file.ts",
    "hosts/racks/a1.ts",
    "hosts/web.ts",
    "properties/cool-web.ts",
  ]);
  assert.deepEqual(Object.keys(consfig.scope()).sort(), ["a1", "coolWeb", "file", "web"]);
  assert.equal(consfig.scope()["web"], hosts.get("web.example.com"));
  assert.equal(
    (consfig.scope()["coolWeb"] as Record<string, unknown>)["served"],
    properties.get("coolWeb.served"),
  );
});

test("a consfig gets the running engine, not a copy in node_modules", (t) => {
  const { consfig, root, write } = workspace(t, {
    "hosts/a.ts": 'import * as engine from "consfigurator";\nexport const seen = engine;\n',
    "node_modules/consfigurator/package.json": '{"name":"consfigurator","main":"index.js"}',
    "node_modules/consfigurator/index.js": "throw new Error('a second copy');",
    "node_modules/friend/index.js": 'exports.seen = require("consfigurator");',
  });
  assert.equal(consfig.refresh().error, undefined);
  assert.equal(consfig.scope()["seen"], engine);
  write({ "hosts/b.ts": 'import friend from "friend";\nexport const friends = friend.seen;\n' });
  assert.equal(consfig.refresh().error, undefined);
  assert.equal(consfig.scope()["friends"], engine);
  assert.ok(root);
});

test("imports: .ts, .tsx, .js, .json, index files, CommonJS and ES module packages", (t) => {
  const { consfig } = workspace(t, {
    "hosts/a.ts": [
      'import { ts } from "../shared/one";',
      'import { ts as same } from "../shared/one.js";',
      'import { js } from "../shared/two";',
      'import { fromIndex } from "../shared";',
      'import json from "../shared/data.json";',
      'import common from "common";',
      'import esm, { named } from "esm";',
      'import { sep } from "node:path";',
      "export const all = [ts, ts === same, js, fromIndex, json.key, common, esm, named, sep];",
      'export const lazy = async () => [(await import("../shared/late")).late, (await import("esm")).named];',
    ].join("\n"),
    "shared/one.ts": "export const ts: string = 'ts';",
    "shared/two.js": "exports.js = 'js';",
    "shared/late.ts": "export const late = 'late';",
    "shared/index.tsx": "export const fromIndex = 'index' as const;",
    "shared/data.json": '{ "key": "json" }',
    "node_modules/common/package.json": '{"name":"common","version":"1.0.0"}',
    "node_modules/common/index.js": "module.exports = 'common';",
    "node_modules/esm/package.json": '{"name":"esm","version":"1.0.0","type":"module","exports":"./esm.js"}',
    "node_modules/esm/esm.js": "export default 'default'; export const named = 'named';",
  });
  assert.equal(consfig.refresh().error, undefined);
  assert.deepEqual(consfig.scope()["all"], [
    "ts",
    true,
    "js",
    "index",
    "json",
    "common",
    "default",
    "named",
    path.sep,
  ]);
  const lazy = consfig.scope()["lazy"] as () => Promise<unknown[]>;
  return lazy().then((late) => assert.deepEqual(late, ["late", "named"]));
});

test('a consfig with "type": "module" loads like any other', (t) => {
  const { consfig } = workspace(t, {
    "package.json": '{"type":"module"}',
    "hosts/a.ts": 'import { b } from "./_b.js";\nimport { c } from "./_c.js";\nexport const a = b + c;\n',
    "hosts/_b.ts": "export const b = 1;",
    "hosts/_c.js": "export const c = 2;",
  });
  assert.equal(consfig.refresh().error, undefined);
  assert.equal(consfig.scope()["a"], 3);
});

test("only changed files and their dependents are evaluated again, dependencies first", (t) => {
  const { consfig, root, write } = workspace(t, {
    "hosts/a.ts": 'import { b } from "../shared/b";\nexport const a = [b];\n',
    "hosts/z.ts": "export const z = [];\n",
    "shared/b.ts": 'import { c } from "./c";\nexport const b = c;\n',
    "shared/c.ts": "export const c = 1;\n",
    "properties/early.ts": 'import { b } from "../shared/b";\nexport const e = b;\n',
  });
  assert.deepEqual(consfig.refresh().loaded, [
    "shared/c.ts",
    "shared/b.ts",
    "hosts/a.ts",
    "hosts/z.ts",
    "properties/early.ts",
  ]);
  const z = consfig.scope()["z"];
  assert.deepEqual(consfig.refresh(), { loaded: [], removed: [], notices: [] });

  const later = new Date(Date.now() + 5000);
  utimesSync(path.join(root, "shared/c.ts"), later, later);
  assert.deepEqual(consfig.refresh().loaded, [], "touched, same content");

  write({ "shared/c.ts": "export const c = 2;\n" });
  assert.deepEqual(consfig.refresh().loaded, [
    "shared/c.ts",
    "shared/b.ts",
    "hosts/a.ts",
    "properties/early.ts",
  ]);
  assert.deepEqual(consfig.scope()["a"], [2]);
  assert.equal(consfig.scope()["z"], z, "an unchanged module keeps its exports");
});

test("two writes within one clock tick are both noticed", (t) => {
  const { consfig, write } = workspace(t, { "hosts/a.ts": "export const a = 0;\n" });
  consfig.refresh();
  for (let i = 1; i < 10; i++) {
    write({ "hosts/a.ts": `export const a = ${i};\n` });
    assert.deepEqual(consfig.refresh().loaded, ["hosts/a.ts"]);
    assert.equal(consfig.scope()["a"], i);
  }
});

test("new files are loaded; deleted files and their definitions are gone", (t) => {
  const { consfig, write, remove } = workspace(t, {
    "hosts/a.ts": hostFile("a.example.com"),
    "properties/p.ts": propertyFile("p.one"),
  });
  consfig.refresh();
  write({ "hosts/b.ts": hostFile("b.example.com") });
  assert.deepEqual(consfig.refresh().loaded, ["hosts/b.ts"]);
  remove("hosts/a.ts");
  remove("properties/p.ts");
  const { loaded, removed } = consfig.refresh();
  assert.deepEqual({ loaded, removed }, { loaded: [], removed: ["hosts/a.ts", "properties/p.ts"] });
  assert.deepEqual(Object.keys(consfig.scope()), ["b"]);
  assert.equal(hosts.get("a.example.com"), undefined);
  assert.equal(properties.get("p.one"), undefined);
});

test("a property removed from its file is gone, also when a helper defined it", (t) => {
  const helper =
    'import { defprop, schema } from "consfigurator";\nexport const make = (name: string) => defprop({ name, kind: "posix", args: schema.object({}), apply: async () => "changed" });\n';
  const { consfig, write } = workspace(t, {
    "properties/_make.ts": helper,
    "properties/p.ts":
      'import { make } from "./_make";\nexport const one = make("p.one");\nexport const two = make("p.two");\n',
  });
  consfig.refresh();
  assert.ok(properties.get("p.one") && properties.get("p.two"));
  write({ "properties/p.ts": 'import { make } from "./_make";\nexport const two = make("p.two");\n' });
  assert.equal(consfig.refresh().error, undefined);
  assert.deepEqual([properties.get("p.one"), typeof properties.get("p.two")], [undefined, "function"]);
});

test("a definition may move from one file to another between two refreshes", (t) => {
  const { consfig, write } = workspace(t, {
    "properties/a.ts": propertyFile("x.one"),
    "properties/b.ts": "export {};\n",
  });
  consfig.refresh();
  write({ "properties/a.ts": "export {};\n", "properties/b.ts": propertyFile("x.one") });
  assert.equal(consfig.refresh().error, undefined);
  assert.match(properties.fileOf("x.one") ?? "", /properties\/b\.ts$/);
});

test("a module that is no longer imported is dropped", (t) => {
  const { consfig, write } = workspace(t, {
    "hosts/a.ts": 'import "./_b";\n',
    "hosts/_b.ts": propertyFile("b.one"),
  });
  consfig.refresh();
  assert.ok(properties.get("b.one"));
  write({ "hosts/a.ts": "export {};\n" });
  assert.deepEqual(consfig.refresh().removed, ["hosts/_b.ts"]);
  assert.equal(properties.get("b.one"), undefined);
});

test("a new file that takes precedence over another is imported from then on", (t) => {
  const { consfig, write } = workspace(t, {
    "hosts/a.ts": 'import { b } from "./b";\nexport const a = b;\n',
    "hosts/b/index.ts": "export const b = 'index';\n",
  });
  consfig.refresh();
  write({ "hosts/b.ts": "export const b = 'file';\n" });
  assert.deepEqual(consfig.refresh().loaded, ["hosts/b.ts", "hosts/a.ts"]);
  assert.equal(consfig.scope()["a"], "file");
});

test("an import inside a function gets the current module, and may be circular", async (t) => {
  const { consfig, write } = workspace(t, {
    "hosts/a.ts": 'import "./_b";\nexport const a = async () => (await import("./_b")).b();\n',
    "hosts/_b.ts": 'export const b = () => [1, typeof require("./a").a];\n',
  });
  assert.equal(consfig.refresh().error, undefined);
  const a = consfig.scope()["a"] as () => Promise<unknown>;
  assert.deepEqual(await a(), [1, "function"]);
  write({ "hosts/_b.ts": 'export const b = () => [2, typeof require("./a").a];\n' });
  consfig.refresh();
  assert.deepEqual(await a(), [2, "function"]);
});

test("an edited built-in property is live and shared with every importer", (t) => {
  const { consfig, write } = workspace(t, {
    "builtin/file.ts": propertyFile("file.exists", "before"),
    "hosts/a.ts": 'import { exists } from "../builtin/file";\nexport const a = exists;\n',
  });
  consfig.refresh();
  write({ "builtin/file.ts": propertyFile("file.exists", "after") });
  assert.deepEqual(consfig.refresh().loaded, ["builtin/file.ts", "hosts/a.ts"]);
  assert.equal(properties.get("file.exists")?.definition.desc?.({}), "after");
});

test("this repository is a consfig: each file is loaded once, built-in properties included", () => {
  const consfig = openConsfig(engineRoot);
  const { loaded, error } = consfig.refresh();
  assert.equal(error, undefined);
  assert.equal(new Set(loaded).size, loaded.length);
  assert.ok(loaded.includes("hosts/sandbox.ts") && loaded.includes("properties/file.ts"));
  const { file, sandbox } = consfig.scope() as { file: { hasContent: unknown }; sandbox: unknown };
  assert.equal(file.hasContent, properties.get("file.hasContent"));
  assert.equal(sandbox, hosts.get("sandbox"));
  assert.deepEqual(consfig.refresh(), { loaded: [], removed: [], notices: [] });
  const cached = require.cache[path.join(engineRoot, "properties/file.ts")]?.exports as {
    hasContent: unknown;
  };
  assert.equal(cached.hasContent, file.hasContent);
  consfig.close();
  assert.equal(properties.get("file.hasContent"), undefined);
});

test("clashing names are reported, and every definition stays accessible", (t) => {
  const { consfig, write } = workspace(t, {
    "hosts/a.ts": hostFile("one.example.com", "web"),
    "hosts/b.ts": hostFile("two.example.com", "web"),
    "hosts/c.ts": hostFile("three.example.com", "file"),
    "properties/file.ts": propertyFile("mine.exists"),
    "builtin/file.ts": `${propertyFile("file.exists")}export const only = 1;\n`,
  });
  assert.deepEqual(consfig.refresh().notices, [
    "file.exists is exported by builtin/file.ts and properties/file.ts; the prompt uses the one in properties/file.ts",
    "web is exported by 2 files in hosts/: write a.web (hosts/a.ts) or b.web (hosts/b.ts)",
    "file is also the name of a properties file: write c.file (hosts/c.ts) for the host",
  ]);
  const scope = consfig.scope() as Record<string, Record<string, { name: string }>>;
  assert.deepEqual(Object.keys(scope).sort(), ["a", "b", "c", "file"]);
  assert.equal(scope["a"]?.["web"]?.name, "one.example.com");
  assert.equal(scope["c"]?.["file"]?.name, "three.example.com");
  assert.deepEqual(Object.keys(scope["file"] ?? {}).sort(), ["exists", "only"]);
  assert.deepEqual(consfig.refresh().notices, [], "reported once");
  write({ "hosts/b.ts": hostFile("two.example.com", "web2") });
  consfig.refresh();
  assert.deepEqual(Object.keys(consfig.scope()).sort(), ["c", "file", "web", "web2"]);
});

test("a directory that is not a consfig gets a notice", (t) => {
  const { consfig, root } = workspace(t, {});
  assert.deepEqual(consfig.refresh(), {
    loaded: [],
    removed: [],
    notices: [`${root} has neither hosts/ nor properties/; run \`consfig init\` to create a working consfig`],
  });
  assert.throws(() => openConsfig(path.join(root, "nowhere")), /ENOENT/);
});

test("files in a symlinked directory are sources too", (t) => {
  const { consfig, root } = workspace(t, {
    "elsewhere/a.ts": hostFile("a.example.com"),
    "properties/p.ts": "export {};\n",
  });
  symlinkSync(path.join(root, "elsewhere"), path.join(root, "hosts"));
  assert.equal(consfig.refresh().error, undefined);
  assert.deepEqual(Object.keys(consfig.scope()).sort(), ["a", "p"]);
});
