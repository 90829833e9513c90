import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { prune } from "../../../lib/source/_prune";
import { compile } from "../../../lib/source/register";
import { root as engineRoot } from "../../../lib/util/package";
import { propertyFile, workspace } from "./_workspace";

const register = path.join(engineRoot, "lib/source/register.js");

/** Output of a new process that runs the TypeScript file `file` with its caches in `home`. */
function printed(home: string, file: string): string {
  const env = { ...process.env, XDG_CACHE_HOME: home };
  return execFileSync(process.execPath, ["--require", register, file], { env, encoding: "utf8" }).trim();
}

const loading = (root: string): string => `
import { openConsfig } from ${JSON.stringify(path.join(engineRoot, "lib/source/consfig"))};
const consfig = openConsfig(${JSON.stringify(root)});
const { loaded, error } = consfig.refresh();
if (error) throw error;
consfig.manifest(["p0.is", "file.hasContent"]);
const heavy = Object.keys(require.cache).filter((file) => /\\/(typescript\\/lib|ts-node\\/dist|esbuild\\/lib|chokidar|ssh2|node-ssh|ink)\\//.test(file));
const { compilerIsRunning } = require(${JSON.stringify(path.join(engineRoot, "lib/util/compiler-process"))});
console.log(JSON.stringify({ loaded: loaded.length, heavy, compiler: compilerIsRunning() }));
`;

test("no heavy package is ever loaded, and no compiler started when the caches are warm", (t) => {
  const home = mkdtempSync(path.join(tmpdir(), "cache-test-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const { root, write } = workspace(t, {
    "properties/p0.ts": propertyFile("p0.is"),
    "hosts/a.js": "exports.a = 1;\n",
  });
  write({ "main.ts": loading(root) });
  const [cold, warm] = [1, 2].map(() => JSON.parse(printed(home, path.join(root, "main.ts"))));
  assert.deepEqual(cold, { loaded: warm.loaded, heavy: [], compiler: true });
  assert.deepEqual(warm, { loaded: cold.loaded, heavy: [], compiler: false });
});

test("a cache directory of a stranger is refused", {
  skip: process.geteuid?.() !== 0 && "needs root",
}, (t) => {
  const home = mkdtempSync(path.join(tmpdir(), "cache-test-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const cache = path.join(home, "consfigurator");
  mkdirSync(cache);
  chownSync(cache, 1234, 1234);
  const env = { ...process.env, XDG_CACHE_HOME: home };
  const { status, stderr } = spawnSync(process.execPath, ["--require", register, "-e", "0"], {
    env,
    encoding: "utf8",
  });
  assert.deepEqual(
    [status, stderr],
    [
      2,
      `the cache directory ${cache} is refused: ${cache} belongs to uid 1234, and we run as uid 0; remove it, or set XDG_CACHE_HOME to a directory of your own\n`,
    ],
  );
});

test("a file is compiled to CommonJS in any package; import() is kept for npm packages only", () => {
  const output = compile(
    'import { a } from "./a.ts";\nexport const b = [a, import("ink"), import("./c")];\n',
    "/x/type-module/b.ts",
  );
  assert.match(output, /require\("\.\/a\.js"\)/);
  assert.match(output, /import\("ink"\)/);
  assert.match(output, /Promise\.resolve\(\)\.then\(\(\) => require\("\.\/c"\)\)/);
});

test("equal files of one name are compiled once, and each has its own name in stacks", (t) => {
  const home = mkdtempSync(path.join(tmpdir(), "cache-test-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const directory = mkdtempSync(path.join(tmpdir(), "equal-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const files = ["one", "an other"].map((place) => path.join(directory, place, "a #1 100%.ts"));
  const compiled = files.map((file) => {
    mkdirSync(path.dirname(file));
    writeFileSync(file, "interface A {}\n\nconsole.log(new Error().stack);\n");
    assert.match(printed(home, file), new RegExp(`at \\S+ \\(${file}:3:13\\)`));
    return readdirSync(path.join(home, "consfigurator/compiled")).length;
  });
  assert.equal(compiled[1], compiled[0]);
});

test("a compile error has its position, and is thrown again by a second call", () => {
  for (const _ of [1, 2]) {
    assert.throws(() => compile("const a = 1;\nconst b = (;\nconst c = );\n", "/x/b.ts"), {
      name: "CompileError",
      message: "/x/b.ts:2:12: Expression expected. (and 1 more)",
      line: 2,
      column: 12,
    });
  }
});

test("JavaScript without import or export stays a script", () => {
  const output = compile("exports.a = require('./b');\n", "/x/b.js");
  assert.doesNotMatch(output, /__esModule/);
});

test("caches: files unused for 30 days are removed, at most once a day; files in use are marked", async (t) => {
  const home = mkdtempSync(path.join(tmpdir(), "cache-test-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const day = 24 * 3600;
  const now = Date.now() / 1000;
  const cacheFile = (name: string, age: number): string => {
    const file = path.join(home, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, "");
    utimesSync(file, now - age * day, now - age * day);
    return file;
  };
  const used = cacheFile("compiled/used.js", 40);
  cacheFile("compiled/fresh.js", 29);
  cacheFile("compiled/old.js", 31);
  cacheFile("bundles/old.json", 31);
  cacheFile("bytecode/v24/old.cache", 31);
  cacheFile("boot/old.js", 400);
  const files = (): string[] =>
    readdirSync(home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name)
      .sort();
  await prune(home, new Set([used, path.join(home, "compiled/gone.js")]));
  assert.deepEqual(files(), ["fresh.js", "old.js", "pruned", "used.js"], "boot/ is not pruned");
  assert.ok(Math.abs(statSync(used).mtimeMs / 1000 - now) < 60);
  cacheFile("compiled/old2.js", 31);
  await prune(home, new Set());
  assert.ok(files().includes("old2.js"), "once a day");
  await prune(home, new Set(), Date.now() + 25 * 3600_000);
  assert.ok(!files().includes("old2.js"));
});
