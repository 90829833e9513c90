/** Separate process, started as root with a directory: becomes an unprivileged user and writes there with both targets. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { targetOf } from "consfigurator/testing";

const NOBODY = 65534;

async function main(dir: string): Promise<void> {
  for (const kind of ["agent", "posix"] as const) {
    writeFileSync(`${dir}/${kind}`, "old");
    chownSync(`${dir}/${kind}`, 1, 1);
    chmodSync(`${dir}/${kind}`, 0o4644);
    mkdirSync(`${dir}/${kind}.closed`, { mode: 0o700 });
  }
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
  process.env["HOME"] = dir;
  for (const kind of ["agent", "posix"] as const) await write(kind, dir);
}

/** The file gets our owner, as unprivileged users cannot give files away, and so loses setuid. */
async function write(kind: "agent" | "posix", dir: string): Promise<void> {
  const target = targetOf(kind);
  await target.writeFile(kind, "new");
  assert.equal(readFileSync(`${dir}/${kind}`, "utf8"), "new");
  const { mode, uid } = lstatSync(`${dir}/${kind}`);
  assert.deepEqual([(mode & 0o7777).toString(8), uid], ["644", NOBODY], kind);
  const denied = (act: string, name: string) => ({
    name: "FailedChange",
    message: `cannot ${act} ${name}: permission denied to the user nobody`,
  });
  const closed = `${kind}.closed`;
  await assert.rejects(target.writeFile(`${closed}/x`, ""), denied("write", `${closed}/x`));
  await assert.rejects(target.stat(`${closed}/x`), denied("look at", `${closed}/x`));
  await assert.rejects(target.list(closed), denied("list", closed));
  await assert.rejects(target.readFile("/etc/shadow"), denied("read", "/etc/shadow"));
  await assert.rejects(target.ensureContent("/etc/new/x", ""), denied("write", "/etc/new/x"));
  await assert.rejects(target.setMode("/etc/passwd", 0o600), {
    name: "FailedChange",
    message: "cannot set the mode of /etc/passwd: operation not permitted to the user nobody",
  });
}

main(process.argv[2] ?? ".").catch((error) => {
  console.error(error);
  process.exit(1);
});
