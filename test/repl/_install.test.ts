import assert from "node:assert/strict";
import { execFileSync, type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { limit } from "../support/load";
import { firstLineEnvironment } from "./_consfig";

const root = path.resolve(__dirname, "../..");

let project: string;
beforeEach(() => {
  project = mkdtempSync(path.join(os.tmpdir(), "install-"));
  mkdirSync(path.join(project, "repl"));
  cpSync(path.join(root, "repl/_install.js"), path.join(project, "repl/_install.js"));
});
afterEach(() => rmSync(project, { recursive: true }));

function write(file: string, text: string): string {
  const absolute = path.join(project, file);
  mkdirSync(path.dirname(absolute), { recursive: true });
  writeFileSync(absolute, text);
  return absolute;
}

function runNode(script: string, ...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [script, ...args], { encoding: "utf8", input: "from standard input" });
}

describe("ensureInstalled", () => {
  function install(): string {
    const script = write("run.js", 'require("./repl/_install.js").ensureInstalled(); console.log("ready");');
    const { stdout, stderr, status } = runNode(script);
    const announced = stderr
      .split("\n")
      .filter((line) => line.startsWith("Installing") || line.startsWith("Cannot install"));
    return `${announced.join("\n")}${status === 0 ? stdout : ` exit ${status}`}`.trim();
  }

  /** Makes the project depend on the local package `dep`. */
  function dependOn(version: string): void {
    write("dep/package.json", JSON.stringify({ name: "dep", version }));
    execFileSync("npm", ["pack", "./dep"], { cwd: project, stdio: "ignore" });
    const file = `dep-${version}.tgz`;
    const hash = createHash("sha512").update(readFileSync(path.join(project, file)));
    const top = { name: "x", version: "1.0.0", dependencies: { dep: `file:${file}` } };
    const dep = { version, resolved: `file:${file}`, integrity: `sha512-${hash.digest("base64")}` };
    lock({ "": top, "node_modules/dep": dep });
  }

  function lock(packages: object): void {
    write("package.json", JSON.stringify({ name: "x", version: "1.0.0", ...Object(packages)[""] }));
    write("package-lock.json", JSON.stringify({ name: "x", version: "1.0.0", lockfileVersion: 3, packages }));
  }

  test("installs missing or different packages, and only then", { timeout: limit(120) }, () => {
    dependOn("1.0.0");
    assert.equal(install(), "Installing npm packages (not installed yet) …ready");
    assert.ok(existsSync(path.join(project, "node_modules/dep/package.json")));
    assert.equal(install(), "ready");
    dependOn("2.0.0");
    assert.equal(install(), "Installing npm packages (dep is 1.0.0, should be 2.0.0) …ready");
    assert.equal(install(), "ready");
  });

  test("leaves a project without a lock file alone", () => {
    assert.equal(install(), "ready");
  });

  test("does not require packages for other platforms", () => {
    lock({ "": {}, "node_modules/far": { version: "1.0.0", optional: true, os: ["plan9"] } });
    write("node_modules/.package-lock.json", JSON.stringify({ packages: {} }));
    assert.equal(install(), "ready");
  });

  test("reports why npm failed", () => {
    lock({
      "": { dependencies: { gone: "file:gone.tgz" } },
      "node_modules/gone": { resolved: "file:gone.tgz" },
    });
    assert.equal(
      // Each npm has its own number for a file that is missing.
      install().replace(/failed with exit code \d+/, "failed with exit code N"),
      "Installing npm packages (not installed yet) …\n" +
        `Cannot install the npm packages in ${project}: npm install failed with exit code N. Fix this, then run: npm install exit 2`,
    );
  });
});

describe("onPinnedNode", () => {
  /** Pretends to be an old Node until it is run again. */
  const old = `
    if (!process.env.CONSFIGURATOR_ON_PINNED_NODE) Object.defineProperty(process.versions, "node", { value: "20.0.0" });
    if (require("./repl/_install.js").onPinnedNode(__filename)) return;`;

  function pin(): void {
    mkdirSync(path.join(project, "node_modules/.bin"), { recursive: true });
    symlinkSync(process.execPath, path.join(project, "node_modules/.bin/node"));
  }

  test("keeps a Node that is recent enough", () => {
    const script = write("run.js", 'console.log(require("./repl/_install.js").onPinnedNode(__filename));');
    assert.equal(runNode(script).stdout, "false\n");
  });

  test("passes on arguments, standard input and exit code", () => {
    pin();
    const script = write(
      "run.js",
      `${old} console.log(process.argv.slice(2), require("fs").readFileSync(0, "utf8")); process.exit(7);`,
    );
    const { stdout, status } = runNode(script, "a", "--b");
    assert.deepEqual([stdout, status], ["[ 'a', '--b' ] from standard input\n", 7]);
  });

  test("passes on signals, and exits as the child does", async () => {
    pin();
    const script = write(
      "run.js",
      `${old} process.on("SIGINT", () => process.kill(process.pid, "SIGTERM")); console.log("up"); setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "pipe"] });
    await once(child.stdout, "data");
    child.kill("SIGINT");
    assert.deepEqual(await once(child, "exit"), [null, "SIGTERM"]);
  });

  test("an interrupt of both processes counts once, and so does one of either", async () => {
    pin();
    const script = write(
      "run.js",
      `${old} let count = 0; process.on("SIGINT", () => count++); process.on("SIGTERM", () => { console.log(count); process.exit(0); }); console.log(process.pid); setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"], detached: true });
    const [first] = (await once(child.stdout, "data")) as [Buffer];
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    process.kill(-(child.pid ?? 0), "SIGINT");
    await pause(1500);
    process.kill(child.pid ?? 0, "SIGINT");
    await pause(1500);
    process.kill(Number(first), "SIGINT");
    await pause(1500);
    process.kill(-(child.pid ?? 0), "SIGINT");
    await pause(500);
    process.kill(Number(first), "SIGTERM");
    const [count] = (await once(child.stdout, "data")) as [Buffer];
    assert.equal(String(count), "4\n");
  });

  test("reports the required Node if npm has none for the platform", () => {
    const { stderr, status } = runNode(write("run.js", old));
    const here = `${os.platform()} ${os.arch()}`;
    assert.equal(
      stderr,
      `Node 24 or newer is required, this is Node 20.0.0, and npm has no Node for ${here}: install Node 24 and run this again\n`,
    );
    assert.equal(status, 2);
  });
});

test("the settings of the C library are those of the first line of the command", () => {
  const { mallocSettings } = require("../../repl/_install.js") as { mallocSettings: NodeJS.ProcessEnv };
  assert.deepEqual(mallocSettings, firstLineEnvironment);
});
