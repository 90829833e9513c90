import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { bundlePath } from "../../../lib/source/_packages";
import { propertyFile, workspace } from "./_workspace";

const pkg = (
  name: string,
  files: Readonly<Record<string, string>>,
  fields: object = {},
): Record<string, string> => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({ name, version: "1.0.0", ...fields }),
  ...Object.fromEntries(Object.entries(files).map(([file, text]) => [`node_modules/${name}/${file}`, text])),
});

/** Values of `expression`, in a file with `imports`, on the controller and in its tree under plain Node. */
async function onBothEnds(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  imports: string,
  expression: string,
) {
  const { consfig } = workspace(t, {
    ...files,
    "properties/a.ts": `${imports}\n${propertyFile("a.one")}\nexport const answer = async () => ${expression};\n`,
  });
  assert.equal(consfig.refresh().error, undefined);
  const { answer } = consfig.scope()["a"] as { answer: () => Promise<unknown> };
  const manifest = consfig.manifest(["a.one"]);
  const tree = mkdtempSync(path.join(tmpdir(), "host-test-"));
  t.after(() => rmSync(tree, { recursive: true, force: true }));
  for (const { path: treePath, hash } of manifest.files) {
    mkdirSync(path.dirname(path.join(tree, treePath)), { recursive: true });
    writeFileSync(path.join(tree, treePath), consfig.blob(hash));
  }
  const code = `require(${JSON.stringify(path.join(tree, manifest.entries[0] ?? ""))}).answer().then((it) => console.log(JSON.stringify(it)))`;
  const host = JSON.parse(execFileSync(process.execPath, ["-e", code], { encoding: "utf8" })) as unknown;
  const packages = manifest.files
    .map((file) => file.path)
    .filter((treePath) => /^node_modules\/(?!consfigurator)/.test(treePath));
  return { controller: JSON.parse(JSON.stringify(await answer())) as unknown, host, packages };
}

/** The error message for properties/a.ts with `imports`, undefined when it can be sent. */
function refusal(t: TestContext, files: Readonly<Record<string, string>>, imports: string): unknown {
  const { consfig } = workspace(t, { ...files, "properties/a.ts": `${imports}\n${propertyFile("a.one")}` });
  assert.equal(consfig.refresh().error, undefined);
  try {
    consfig.manifest(["a.one"]);
  } catch (error) {
    return (error as Error).message;
  } finally {
    consfig.close();
  }
  return undefined;
}

test("packages are sent with their dependencies: CommonJS and ES modules, main entries and subpaths", async (t) => {
  const files = {
    ...pkg("common", {
      "index.js": 'module.exports = { name: "common", deep: require("deep") };',
      "part.js": 'exports.part = "part";',
    }),
    ...pkg("deep", { "index.js": 'exports.deep = require("node:path").sep;' }),
    ...pkg(
      "esm",
      { "esm.js": 'export default class Named {}\nexport const named = "named";' },
      { type: "module", exports: "./esm.js" },
    ),
    ...pkg("@scope/thing", {
      "index.js": 'module.exports = "scoped";',
      "sub/x.js": 'module.exports = "sub";',
    }),
  };
  const imports =
    'import common from "common";\nimport { part } from "common/part";\nimport Esm, { named } from "esm";\nimport scoped from "@scope/thing";\nimport sub from "@scope/thing/sub/x.js";';
  const { controller, host, packages } = await onBothEnds(
    t,
    files,
    imports,
    "[common, part, Esm.name, named, scoped, sub]",
  );
  assert.deepEqual(host, [
    { name: "common", deep: { deep: "/" } },
    "part",
    "Named",
    "named",
    "scoped",
    "sub",
  ]);
  assert.deepEqual(controller, host);
  assert.deepEqual(packages, [
    "node_modules/@scope/thing/index.js",
    "node_modules/@scope/thing/sub/x.js",
    "node_modules/common/index.js",
    "node_modules/common/part.js",
    "node_modules/esm/index.js",
  ]);
});

test("import() gives the same on both ends: ES modules, CommonJS, top-level await, import-only exports", async (t) => {
  const files = {
    ...pkg(
      "esm",
      { "esm.js": 'export default "default";\nexport const named = "named";' },
      { type: "module", exports: "./esm.js" },
    ),
    ...pkg("common", { "index.js": 'exports.a = "a"; exports.path = require("node:path").sep;' }),
    ...pkg(
      "slow",
      { "index.js": 'export const slow = await "slow";' },
      { type: "module", exports: "./index.js" },
    ),
    ...pkg(
      "only",
      { "x.js": 'export const only = "only";' },
      { type: "module", exports: { "./sub": { import: "./x.js" } } },
    ),
  };
  const { controller, host } = await onBothEnds(
    t,
    files,
    'import { named } from "esm";',
    '[named, await import("esm"), await import("common"), await import("slow"), await import("only/sub")].map((it) => typeof it === "string" ? it : { ...it, default: it.default })',
  );
  assert.deepEqual(host, [
    "named",
    { default: "default", named: "named" },
    { a: "a", path: "/", default: { a: "a", path: "/" } },
    { slow: "slow" },
    { only: "only" },
  ]);
  assert.deepEqual(
    (controller as object[]).map((it) => (typeof it === "string" ? it : omit(it, "module.exports"))),
    host,
  );
});

const omit = (it: object, name: string): object =>
  Object.fromEntries(Object.entries(it).filter(([key]) => key !== name));

test("a package that is not installed is missing on both ends", async (t) => {
  const { controller, host } = await onBothEnds(
    t,
    {},
    "",
    '(() => { try { return require("left-behind"); } catch (error) { return error.code; } })()',
  );
  assert.deepEqual([controller, host], ["MODULE_NOT_FOUND", "MODULE_NOT_FOUND"]);
});

test("names in strings are not imports", (t) => {
  assert.equal(
    refusal(t, {}, "export const script = 'const x = require(\"left-behind\")'; // import('nothing')"),
    undefined,
  );
});

test("a native addon that is optional is left out", async (t) => {
  const files = {
    ...pkg(
      "fast",
      {
        "index.js":
          'let native; try { native = require("fast-native") } catch {}; exports.native = native !== undefined;',
      },
      { optionalDependencies: { "fast-native": "1" } },
    ),
    ...pkg("fast-native", { "index.js": "module.exports = 1;" }, { gypfile: true }),
  };
  const { controller, host } = await onBothEnds(t, files, 'import { native } from "fast";', "native");
  assert.deepEqual([controller, host], [true, false]);
});

test("a native addon is refused with package and line", (t) => {
  const files = {
    ...pkg(
      "drawing",
      { "index.js": 'module.exports = require("pencil");' },
      { dependencies: { pencil: "1" } },
    ),
    ...pkg("pencil", {
      "index.js": 'module.exports = process.env.NEVER ? require("./pencil.node") : 1;',
      "pencil.node": "ELF",
    }),
  };
  assert.equal(
    refusal(t, files, '\nimport drawing from "drawing";\nexport const d = drawing;'),
    'the npm package "drawing", imported at properties/a.ts:2, needs the native addon "pencil"; only packages of pure JavaScript, and those with prebuilt binaries in packages of their own (napi-rs), can be sent to a host',
  );
  assert.equal(
    refusal(t, files, 'import pencil from "pencil";\nexport const d = pencil;'),
    'the npm package "pencil", imported at properties/a.ts:1, is a native addon; only packages of pure JavaScript, and those with prebuilt binaries in packages of their own (napi-rs), can be sent to a host',
  );
});

test("a property that an npm package defines is sent with that package", (t) => {
  const { consfig } = workspace(t, {
    ...pkg("more-properties", {
      "index.js":
        'const { defprop, schema } = require("consfigurator"); exports.p = defprop({ name: "more.one", kind: "posix", args: schema.object({}), apply: async () => "changed" });',
    }),
    "properties/a.ts": 'export { p } from "more-properties";\n',
  });
  assert.equal(consfig.refresh().error, undefined);
  const { entries, files } = consfig.manifest(["more.one"]);
  assert.deepEqual(entries, ["node_modules/more-properties/index.js"]);
  const code = consfig.blob(files.find((file) => file.path === entries[0])?.hash ?? "").toString();
  assert.match(code, /require\("consfigurator"\)/);
});

test("the path of a bundle in a tree", () => {
  const paths = ["a", "a/b", "a/b.js", "a/b.json", "@s/a", "@s/a/b"].map(bundlePath);
  assert.deepEqual(paths, ["a/index.js", "a/b.js", "a/b.js", "a/b.json.js", "@s/a/index.js", "@s/a/b.js"]);
});
