import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { unapplied } from "../../../lib/combinators";
import { imageDumped } from "../../../lib/executable/imageDumped";
import type { Report } from "../../../lib/model/report";
import { needsMachines } from "../../support/machines";
import { assertOk, type Rig, rig } from "../agent/_rig";

/** What the language and npm offer, in a service on a host. */
describe("what works in an executable", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
  });
  after(() => on?.stop());

  const install = (name: string, files: Readonly<Record<string, string | Buffer>>) => {
    const directory = path.join(on.consfig, "node_modules", name);
    mkdirSync(directory, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(path.join(directory, file), text);
  };
  const dumped = (files: Readonly<Record<string, string>>) => {
    on.write(files);
    return on.deploy([imageDumped("/opt/it", { module: "/services/it", call: "say" })]);
  };
  const says = async (files: Readonly<Record<string, string>>): Promise<string> => {
    assertOk(await dumped(files));
    const { stdout, stderr, exit } = await on.machine.exec("env -i /opt/it", { user: "plain" });
    assert.equal(exit, 0, stderr);
    return stdout;
  };
  const failure = (report: Report) => report.failed.at(-1)?.failure?.message ?? report.failure?.message;

  test("top-level await, in it and in what it imports; import() of such a module", async () => {
    const stdout = await says({
      "services/it.ts": `import { order, two } from "./two";
import { plain } from "./plain";
const { four } = await import("./four");
export const say = () => console.log(two, plain, four, order.join());
`,
      "services/two.ts": `import { three } from "./three";
export const order: string[] = ["two"];
export const two = 2 + (await Promise.resolve(three));
for await (const each of [1]) order.push(String(each));
`,
      "services/three.ts":
        "export const three = await new Promise<number>((resolve) => setTimeout(resolve, 20, 3));\n",
      "services/four.ts": "export const four = await Promise.resolve(4);\n",
      "services/plain.ts": 'import { two } from "./two";\nexport const plain = two * 10;\n',
    });
    assert.equal(stdout, "5 50 4 two,1\n");
  });

  test("a top-level await that fails, and one that never ends", async () => {
    const fails = await dumped({
      "services/it.ts": "await Promise.reject(new Error('no database'));\nexport const say = 1;\n",
    });
    assert.equal(failure(fails), "cannot load services/it: Error: no database, at services/it.ts:1:22");
    const hangs = await dumped({ "services/it.ts": "await new Promise(() => {});\nexport const say = 1;\n" });
    assert.equal(failure(hangs), "services/it does not finish loading: a top-level await never ends");
  });

  test("files beside the source that are named by a literal, and import.meta", async () => {
    const stdout = await says({
      "services/it.ts": `import { readFileSync } from "node:fs";
import path, { join } from "node:path";
const page = readFileSync(new URL("./page.html", import.meta.url), "utf8");
const one = readFileSync(join(__dirname, "texts", "one.txt"), "utf8");
const named = (name: string) => readFileSync(path.join(import.meta.dirname, "texts", name), "utf8");
const raw = readFileSync(\`\${__dirname}/texts/one.txt\`);
export const say = () => console.log(page, one, named("two.txt"), raw.length, path.basename(import.meta.filename));
`,
      "services/page.html": "<p>",
      "services/texts/one.txt": "one",
      "services/texts/two.txt": "two",
    });
    assert.equal(stdout, "<p> one two 3 it.js\n");
    on.write({ "services/page.html": "<h1>" });
    assert.equal(await says({}), "<h1> one two 3 it.js\n");
    const shared = path.join(on.machine.root, "usr/local/lib/consfigurator/files");
    assert.equal(readdirSync(shared).length, 1, "the files of the earlier version are gone");
    await on.machine.run(`rm -r /usr/local/lib/consfigurator/files/*`);
    assert.equal(await says({}), "<h1> one two 3 it.js\n");
  });

  test("JSON of a package, and an optional import that is not installed", async () => {
    install("padding", {
      "package.json": '{"name":"padding","version":"1.2.3","main":"index.js"}',
      "index.js": "exports.pad = (text) => ` ${text}`;",
    });
    const stdout = await says({
      "services/it.ts": `import padding from "padding/package.json";
import { pad } from "padding";
let fast = false;
try { require("faster-padding"); fast = true; } catch {}
export const say = () => console.log(pad(padding.version), fast);
`,
    });
    assert.equal(stdout, " 1.2.3 false\n");
  });

  test("a package with a prebuilt binary for the platform, imported and with import()", async () => {
    const platform = `linux-${process.arch}`;
    const extract = path.dirname(
      require.resolve(`@msgpackr-extract/msgpackr-extract-${platform}/package.json`),
    );
    const name = `@fast/pad-${platform}`;
    install(name, {
      "package.json": JSON.stringify({
        name,
        version: "1.0.0",
        main: "pad.node",
        os: ["linux"],
        cpu: [process.arch],
      }),
      "pad.node": readFileSync(path.join(extract, "node.napi.glibc.node")),
    });
    // As napi-rs writes it.
    install("@fast/pad", {
      "package.json": JSON.stringify({
        name: "@fast/pad",
        version: "1.0.0",
        main: "index.js",
        optionalDependencies: { [name]: "1.0.0" },
      }),
      "index.js": `let native;
try { native = require("./pad.${platform}.node"); } catch { native = require("${name}"); }
module.exports = { kind: typeof native.extractStrings };
`,
    });
    const stdout = await says({
      "services/it.ts": `import { kind } from "@fast/pad";
export const say = async () => console.log(kind, (await import("@fast/pad")).kind);
`,
    });
    assert.equal(stdout, "function function\n");
  });

  test("a stack trace has frames of the sources only, from a package too", async () => {
    install("thrower", {
      "package.json": '{"name":"thrower","version":"1.0.0","main":"index.js"}',
      "index.js": "exports.hurl = () => { throw new Error('hurled'); };",
    });
    assertOk(
      await dumped({
        "services/it.ts":
          'import { hurl } from "thrower";\nimport { deep } from "./deep";\nexport const say = () => deep(hurl);\n',
        "services/deep.ts": "export const deep = (act: () => void) => act();\n",
      }),
    );
    const { stderr } = await on.machine.exec("/opt/it");
    const frames = stderr.split("\n").filter((line) => line.startsWith("    at "));
    assert.deepEqual(
      frames.map((frame) => /\(?((?:services|node_modules|node:)[^():]*)/.exec(frame)?.[1]),
      ["node_modules/thrower/index.js", "services/deep.ts", "services/it.ts"],
    );
  });

  test("a worker thread that a package starts from a file fails at once, by name", async () => {
    install("threads", {
      "package.json": '{"name":"threads","version":"1.0.0","main":"index.js"}',
      "index.js":
        "const { Worker } = require('worker_threads'); const { join } = require('path'); exports.go = () => new Worker(join(__dirname, 'w.js'));",
    });
    assertOk(
      await dumped({
        "services/it.ts": 'import { go } from "threads";\nexport const say = () => void go();\n',
      }),
    );
    const { stderr, exit } = await on.machine.exec("timeout 10 /opt/it");
    assert.equal(exit, 1);
    assert.match(
      stderr,
      /Error: cannot start a worker thread from .*w\.js: an executable does not contain it/,
    );
  });

  test("a killed dump leaves nothing in /tmp for long, and unapplying leaves no files", async () => {
    await on.machine.run(
      "mkdir /tmp/consfigurator-executable-dead; touch -d '2 days ago' /tmp/consfigurator-executable-dead",
    );
    assertOk(await dumped({ "services/it.ts": "export const say = () => console.log(1);\n" }));
    assert.equal((await on.machine.exec("ls -d /tmp/consfigurator-*")).stdout, "");
    assertOk(await on.deploy([unapplied(imageDumped("/opt/it", { module: "/services/it", call: "say" }))]));
    assert.equal((await on.machine.exec("ls /usr/local/lib/consfigurator/files")).stdout, "");
  });
});
