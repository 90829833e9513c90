import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Sources } from "../../../lib/model/agent-artifacts";
import { properties } from "../../../lib/model/property";
import { PROMPT, Site } from "../../../lib/model/site";
import { type Manifest, openConsfig } from "../../../lib/source/consfig";
import { root as engineRoot } from "../../../lib/util/package";
import { propertyFile, type Workspace, workspace } from "./_workspace";

/** Writes the tree of `manifest` as an agent would; returns its directory. */
function writeTree({ root, consfig }: Pick<Workspace, "root" | "consfig">, manifest: Manifest): string {
  const tree = path.join(root, "host", "trees", manifest.hash);
  for (const { path: treePath, hash } of manifest.files) {
    mkdirSync(path.dirname(path.join(tree, treePath)), { recursive: true });
    writeFileSync(path.join(tree, treePath), consfig.blob(hash));
  }
  return tree;
}

/** Output of `code` in plain Node, without TypeScript, after loading the entries. */
function hostOutput(tree: string, { entries }: Manifest, code: string): string {
  const all = `for (const entry of ${JSON.stringify(entries)}) require(${JSON.stringify(`${tree}/`)} + entry);
    const { properties } = require(${JSON.stringify(`${tree}/node_modules/consfigurator/lib/model/property.js`)});
    Promise.resolve((${code})).then((value) => console.log(JSON.stringify(value)));`;
  return execFileSync(process.execPath, ["-e", all], { cwd: "/", encoding: "utf8" }).trim();
}

const treePaths = ({ files }: Manifest): string[] => files.map(({ path: treePath }) => treePath);
const ofConsfig = (manifest: Manifest): string[] =>
  treePaths(manifest).filter((treePath) => !treePath.startsWith("node_modules/consfigurator/"));

/** A property whose description is the value of the expression `answer`. */
const answering = (name: string, imports: string, answer: string): string =>
  `${imports}\n${propertyFile(name).replace('desc: () => "unchanged"', `desc: () => JSON.stringify(${answer})`)}`;

const descOf = (name: string): string => `properties.get("${name}").definition.desc({})`;

test("a manifest has exactly the files that properties need, and plain Node runs them", (t) => {
  const space = workspace(t, {
    "properties/web.ts": answering(
      "web.served",
      'import { port } from "../shared/port";\nimport type { T } from "../shared/types";\nimport data from "../shared/data.json";\nconst used: T = port;',
      "[used, data.key]",
    ),
    "properties/other.ts": propertyFile("other.one"),
    "hosts/a.ts": 'import { defhost } from "consfigurator";\nexport const a = defhost("a.example.com");\n',
    "shared/port.ts": "export const port: number = 80;\n",
    "shared/types.ts": "export type T = number;\n",
    "shared/data.json": '{ "key": "value" }',
  });
  assert.equal(space.consfig.refresh().error, undefined);
  const manifest = space.consfig.manifest(["web.served", "onChange"]);
  assert.deepEqual(ofConsfig(manifest), [
    "consfig/properties/web.js",
    "consfig/shared/data.json",
    "consfig/shared/port.js",
    "package.json",
    "properties.json",
  ]);
  assert.deepEqual(manifest.entries, [
    "consfig/properties/web.js",
    "node_modules/consfigurator/lib/combinators/change.js",
  ]);
  for (const { hash, size } of manifest.files) {
    const content = space.consfig.blob(hash);
    assert.equal(createHash("sha256").update(content).digest("hex"), hash);
    assert.equal(content.length, size);
    assert.doesNotMatch(
      content.toString(),
      /sourceMappingURL=data:[^,]*,[\w+/]|consfig-test-/,
      "neither maps nor paths of this machine",
    );
  }
  assert.equal(
    hostOutput(
      writeTree(space, manifest),
      manifest,
      `[${descOf("web.served")}, properties.names().includes("other.one")]`,
    ),
    '["[80,\\"value\\"]",false]',
  );
});

test("a manifest has no files that only the controller needs", (t) => {
  const { consfig } = workspace(t, { "properties/web.ts": propertyFile("web.served") });
  consfig.refresh();
  const manifest = consfig.manifest(["web.served"]);
  const unwanted =
    /typescript|ts-node|esbuild|chokidar|node-ssh|ssh2|\/lib\/source\/|\/lib\/connection\/ssh|\/agent\/client\/(?!child|connection|marked|running)/;
  // What stands for a module there refuses to be called.
  const isStandIn = (hash: string) => consfig.blob(hash).includes("only available on the controller");
  const sent = manifest.files.filter(({ hash }) => !isStandIn(hash));
  assert.deepEqual(
    sent.map(({ path: treePath }) => treePath).filter((treePath) => unwanted.test(treePath)),
    [],
  );
  const total = manifest.files.reduce((sum, { size }) => sum + size, 0);
  assert.ok(total < 850_000, `${total} bytes`);
});

test("a file that also defines hosts can be sent", (t) => {
  const space = workspace(t, {
    "hosts/a.ts": `import { canClone, defhost, deploy, via } from "consfigurator";\n${propertyFile("here.one")}export const a = defhost("a.example.com", { deploy: canClone() ? [via.ssh({ user: "root" }), via.agent()] : [] });\nexport const go = () => deploy(a);\n`,
  });
  assert.equal(space.consfig.refresh().error, undefined);
  const manifest = space.consfig.manifest(["here.one"]);
  assert.equal(hostOutput(writeTree(space, manifest), manifest, descOf("here.one")), '"unchanged"');
});

test("built-in properties of this repository run on a host", (t) => {
  const { root } = workspace(t, {});
  const consfig = openConsfig(engineRoot);
  t.after(() => consfig.close());
  consfig.refresh();
  const manifest = consfig.manifest(["file.containsLines", "apt.installed"]);
  const tree = writeTree({ root, consfig }, manifest);
  assert.ok(manifest.entries.every((entry) => entry.startsWith("node_modules/consfigurator/properties/")));
  assert.equal(
    hostOutput(
      tree,
      manifest,
      'typeof properties.get("file.containsLines") + typeof properties.get("apt.installed")',
    ),
    '"functionfunction"',
  );
});

test("the same sources give the same manifest, in any order of names", (t) => {
  const space = workspace(t, {
    "properties/a.ts": propertyFile("a.one"),
    "properties/b.ts": propertyFile("b.one"),
  });
  space.consfig.refresh();
  const one = space.consfig.manifest(["a.one", "b.one"]);
  const again = space.reopened();
  again.refresh();
  assert.deepEqual(again.manifest(["b.one", "a.one", "a.one"]), one);
  assert.notEqual(again.manifest(["a.one"]).hash, one.hash);
  assert.deepEqual(treePaths(one), [...treePaths(one)].sort());
});

test("after an edit only the changed file has a new hash; an unchanged manifest is cached", (t) => {
  const { consfig, write } = workspace(t, {
    "properties/a.ts": propertyFile("a.one"),
    "properties/b.ts": propertyFile("b.one"),
  });
  consfig.refresh();
  const before = consfig.manifest(["a.one", "b.one"]);
  write({ "properties/a.ts": propertyFile("a.one", "other") });
  consfig.refresh();
  const after = consfig.manifest(["a.one", "b.one"]);
  const previous = new Map(before.files.map(({ path: treePath, hash }) => [treePath, hash]));
  assert.deepEqual(
    after.files
      .filter(({ path: treePath, hash }) => previous.get(treePath) !== hash)
      .map((file) => file.path),
    ["consfig/properties/a.js"],
  );
  consfig.refresh();
  assert.equal(consfig.manifest(["b.one", "a.one"]), after);
  for (const { hash } of before.files)
    assert.ok(consfig.blob(hash), "the previous files are still available");
});

test("as many different trees as there are hosts stay available, also in a long session", (t) => {
  const names = Array.from({ length: 100 }, (_, i) => `many${i}.one`);
  const { consfig, write } = workspace(
    t,
    Object.fromEntries(names.map((name, i) => [`properties/many${i}.ts`, propertyFile(name)])),
  );
  consfig.refresh();
  const whole = (sources: Sources) => {
    for (const { hash, size } of sources.manifest.files) assert.equal(sources.blob(hash).length, size);
  };
  const first = names.map((name) => consfig.sources([name]));
  first.forEach(whole);
  // They are cached, and complete again.
  for (const [i, name] of names.entries()) {
    const again = consfig.sources([name]);
    assert.equal(again.manifest, first[i]?.manifest);
    whole(again);
  }
  for (let n = 0; n < 50; n += 1) {
    write({ "properties/many0.ts": propertyFile("many0.one", `answer ${n}`) });
    consfig.refresh();
    whole(consfig.sources(["many0.one"]));
  }
  // A deployment that began with them may still ask for more.
  first.forEach(whole);
});

test("what trees have in common is in memory once", (t) => {
  const { consfig } = workspace(t, {
    "properties/a.ts": propertyFile("a.one"),
    "properties/b.ts": propertyFile("b.one"),
  });
  consfig.refresh();
  const [one, other] = [consfig.sources(["a.one"]), consfig.sources(["b.one"])];
  const hashes = new Set(other.manifest.files.map(({ hash }) => hash));
  const common = one.manifest.files.filter(({ hash }) => hashes.has(hash));
  assert.ok(common.length > 20);
  for (const { hash } of common) assert.equal(one.blob(hash), other.blob(hash));
});

test("properties that cannot be sent are refused", (t) => {
  const outside = workspace(t, { "x.ts": "export const x = 1;\n" });
  const { consfig, root } = workspace(t, {
    "properties/a.ts": propertyFile("a.one"),
    "properties/b.ts": `import { x } from ${JSON.stringify(path.join(outside.root, "x"))};\n${propertyFile("b.one")}export const y = x;\n`,
    "properties/c.ts": `import "./_d";\nimport "./_d.tsx";\n${propertyFile("c.one")}`,
    "properties/_d.ts": "export {};\n",
    "properties/_d.tsx": "export const d = 1;\n",
  });
  assert.equal(consfig.refresh().error, undefined);
  const refused = (name: string, message: string) =>
    assert.throws(() => consfig.manifest([name]), { name: "InapplicableProperty", message });
  refused("a.onne", 'there is no property "a.onne"; did you mean "a.one"?');
  refused(
    "b.one",
    `${outside.root}/x.ts is outside the consfig, so it cannot be sent to a host; move it into ${root}`,
  );
  const property = properties.get("a.one");
  assert.ok(property);
  properties.define("typed.one", property, new Site(PROMPT, 3, 1));
  t.after(() => properties.forget(new Set([PROMPT])));
  refused(
    "typed.one",
    'the property "typed.one" was defined at the prompt (prompt:3:1), and only files are sent to a host; put it into a file in properties/',
  );
});

test("positions on a host are mapped to the user's sources, also for older trees", (t) => {
  const space = workspace(t, {
    "properties/a.ts": answering("a.one", "interface Long {\n  a: number;\n}\n", "fail()"),
  });
  space.write({
    "properties/a.ts": `interface Long {\n  a: number;\n}\n${propertyFile("a.one").replace('desc: () => "unchanged"', "desc: () => fail()")}\nfunction fail(): string {\n  throw new Error("here");\n}\n`,
  });
  space.consfig.refresh();
  const manifest = space.consfig.manifest(["a.one"]);
  const tree = writeTree(space, manifest);
  const stack = hostOutput(
    tree,
    manifest,
    `(() => { try { ${descOf("a.one")} } catch (error) { return error.stack } })()`,
  );
  space.write({ "properties/a.ts": propertyFile("a.one") });
  space.consfig.refresh();
  space.consfig.manifest(["a.one"]);
  const mapped = space.consfig.mapPositions(JSON.parse(stack)).split("\n");
  assert.deepEqual(mapped.slice(0, 3), [
    "Error: here",
    "    at fail (properties/a.ts:15:9)",
    "    at Object.desc (properties/a.ts:10:15)",
  ]);
  assert.equal(
    space.consfig
      .mapPositions(
        `at f (/root/.cache/x/trees/${manifest.hash}/node_modules/consfigurator/lib/model/registry.js:99:1)`,
      )
      .replace(/\d+:\d+/, "L:C"),
    "at f (consfigurator/lib/model/registry.ts:L:C)",
  );
  assert.equal(
    space.consfig.mapPositions(
      "at f (/x/trees/abc/consfig/a.js:1:2), at file:///x/trees/abc/consfig/b.js:3:4",
    ),
    "at f (consfig/a.js:1:2), at consfig/b.js:3:4",
    "of an unknown tree: only without its directory",
  );
  assert.equal(space.consfig.mapPositions(`at f (${space.root}/hosts/a.ts:1:2)`), "at f (hosts/a.ts:1:2)");
});

test("mapping the positions in what a host prints takes linear time", (t) => {
  const { consfig } = workspace(t, { "properties/a.ts": propertyFile("a.one") });
  consfig.refresh();
  const units = [
    "/",
    "QUJD/",
    "/trees/",
    "/trees/ab/",
    "/trees/ab/x.js:1:",
    "file://",
    "(/",
    `${consfig.root}/`,
    " at ",
  ];
  for (const unit of units) {
    const text = unit.repeat(Math.ceil(500_000 / unit.length));
    // Of this process alone: others may use both cores.
    const before = process.cpuUsage();
    assert.equal(consfig.mapPositions(text), text);
    const took = process.cpuUsage(before).user / 1000;
    assert.ok(took < 3000, `${unit}: ${took} ms of CPU time`);
  }
});
