import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { canClone } from "../lib/connection/sandbox";
import { root } from "../lib/util/package.js";
import { limit } from "./support/load";

/** The checkout may belong to another user. */
const trusting = {
  ...process.env,
  GIT_CONFIG_COUNT: "1",
  GIT_CONFIG_KEY_0: "safe.directory",
  GIT_CONFIG_VALUE_0: "*",
};

/** Runs `npm start` in a fresh clone of this checkout, as a new user would. */
describe("npm start on a fresh clone", {
  skip: isCheckout() ? false : "this copy is not a git checkout",
}, () => {
  let directory: string;
  let clone: string;
  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), "consfig-start-"));
    clone = path.join(directory, "consfigurator");
    succeed("git", ["clone", "--quiet", root, clone]);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** Pipes the same deployment in twice. */
  async function start(): Promise<{ code: number | null; lines: string[]; stderr: string }> {
    const env: NodeJS.ProcessEnv = { ...process.env, HOME: directory, XDG_STATE_HOME: directory };
    for (const name of Object.keys(env)) if (/^npm_/.test(name)) delete env[name];
    const child = spawn("npm", ["start"], { cwd: clone, env, stdio: "pipe" });
    child.stdin.end("deploy(sandbox)\ndeploy(sandbox)\n");
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => (stdout += chunk));
    child.stderr.on("data", (chunk) => (stderr += chunk));
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { code, lines: stdout.split("\n").filter((line) => line.includes("sandbox")), stderr };
  }

  /** One deployment that changed something, then one that did not, with every step printed. */
  function assertDeployed({ code, lines, stderr }: Awaited<ReturnType<typeof start>>): void {
    assert.equal(code, 0, `${stderr}${lines.join("\n")}`);
    const steps = lines.map((line) =>
      line.replace(/ (in )?[\d.]+ (ms|s)$/, "").replace(/(runs Debian) .*$/, "$1"),
    );
    const first = steps.findIndex((line) => line.includes(" sandbox: "));
    assert.match(steps[first] ?? "", /^changed {3}sandbox: \d+ changed(, \d+ unchanged)?$/);
    const printed = (from: number, to: number) =>
      steps.slice(from, to).map((line) => line.replace(/^\w+ +sandbox :: +/, ""));
    assert.deepEqual(printed(0, first), [...STEPS, ...AFTER_CHANGE].sort(inOrderOf(printed(0, first))));
    assert.deepEqual(printed(first + 1, -1), STEPS);
    assert.equal(steps.at(-1), `unchanged sandbox: ${STEPS.length} unchanged`);
  }

  test("with its packages installed", { timeout: limit(120) }, async () => {
    const copy = spawnSync("cp", ["-al", path.join(root, "node_modules"), clone]);
    if (copy.status !== 0) succeed("cp", ["-a", path.join(root, "node_modules"), clone]);
    const result = await start();
    assertDeployed(result);
    assert.doesNotMatch(result.stderr, /Installing/);
  });

  test("installing its packages first", { timeout: limit(400) }, async () => {
    rmSync(path.join(clone, "node_modules"), { recursive: true, force: true });
    const result = await start();
    assertDeployed(result);
    assert.match(result.stderr, /^Installing npm packages \(not installed yet\) …$/m);
    assert.ok(existsSync(path.join(clone, "node_modules/.bin/node")));
  });
});

/** The steps of hosts/sandbox.ts, with and without permission to clone this machine. */
const STEPS = canClone()
  ? [
      "runs Debian",
      "installed: hello",
      "account ada",
      "ada has the login shell /bin/bash",
      "content of /etc/motd",
      "/etc/sysctl.d/10-sandbox.conf sets vm.swappiness=10",
      "content of /srv/hello/greeting",
      "time zone Etc/UTC",
    ]
  : [
      "directory notes exists",
      "content of notes/today",
      ".profile contains export EDITOR=vi",
      ".config/example.ini sets [editor] tabs=2",
      "authorized key: ada@example",
    ];
const AFTER_CHANGE = canClone() ? ['hello --greeting="$(cat /srv/hello/greeting)" >/srv/hello/output'] : [];

const inOrderOf = (order: readonly string[]) => (a: string, b: string) => order.indexOf(a) - order.indexOf(b);

function isCheckout(): boolean {
  return spawnSync("git", ["rev-parse", "HEAD"], { cwd: root, env: trusting }).status === 0;
}

function succeed(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { env: trusting, encoding: "utf8" });
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${stderr}`);
}
