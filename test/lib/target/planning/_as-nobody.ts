/** Separate process, started as root with a directory: becomes an unprivileged user, and does what was planned before. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { targetOf } from "consfigurator/testing";
import type { PosixTarget } from "../../../../lib/model/target";
import { TestPlan } from "./_plan";

const NOBODY = 65534;

const acts: ((on: PosixTarget) => Promise<unknown>)[] = [
  (on) => on.writeFile("closed/x", ""),
  (on) => on.ensureContent("closed/x", ""),
  (on) => on.ensureContent("/etc/new/x", ""),
  (on) => on.makeDirectory("/etc/new"),
  (on) => on.symlink("/etc/new", "x"),
  (on) => on.remove("/etc/passwd"),
  (on) => on.remove("/etc", { recursive: true }),
  (on) => on.copyFile("own", "/etc/new"),
  (on) => on.setMode("/etc/passwd", 0o600),
  (on) => on.setMode("foreign", 0o600),
  (on) => on.setOwner("own", { user: "root" }),
  (on) => on.setOwner("foreign", { user: "nobody" }),
  (on) => on.readFile("/etc/shadow"),
  (on) => on.editLines("/etc/shadow", () => []),
  (on) => on.editLines("foreign", () => ["mine"]),
  (on) => on.setMode("foreign", 0o640),
  (on) => on.setMode("own", 0o640),
  (on) => on.remove("own"),
  (on) => on.makeDirectory("made/below"),
  (on) => on.writeFile("made/below/file", "x"),
];

/** What an act comes to. A directory that is removed is reported by the first thing in it that cannot be. */
async function resultOf(act: (on: PosixTarget) => Promise<unknown>, target: PosixTarget): Promise<string> {
  try {
    return String((await act(target)) ?? "done");
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

async function main(dir: string): Promise<void> {
  const homes = (["agent", "posix"] as const).map((kind) => [kind, `${dir}/${kind}`] as const);
  for (const [, home] of homes) {
    mkdirSync(`${home}/closed`, { recursive: true });
    chmodSync(`${home}/closed`, 0o700);
    chownSync(home, NOBODY, NOBODY);
    writeFileSync(`${home}/own`, "own\n");
    chownSync(`${home}/own`, NOBODY, NOBODY);
    writeFileSync(`${home}/foreign`, "foreign\n");
  }
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
  for (const [kind, home] of homes) {
    process.env["HOME"] = home;
    const plan = new TestPlan(kind);
    const planned: string[] = [];
    for (const act of acts) planned.push(`${act}: ${await resultOf(act, plan.target)}`);
    const foreign = await plan.target.stat("foreign");
    assert.equal(lstatSync(`${home}/foreign`).uid, 0, "nothing was done");
    const actual: string[] = [];
    for (const act of acts) actual.push(`${act}: ${await resultOf(act, targetOf(kind))}`);
    assert.deepEqual(planned, actual, kind);
    assert.equal(foreign?.uid, lstatSync(`${home}/foreign`).uid);
  }
}

main(process.argv[2] ?? ".").catch((error) => {
  console.error(error);
  process.exit(1);
});
