import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { cacheHome, root } from "../../lib/util/package";
import { until } from "../lib/agent/_rig";
import { bootMachine, type Machine, needsMachines } from "../support/machines";

/** The examples as somebody has them who has just got this: their playbooks, played by the command itself. */
describe("the playbooks of hosts/", needsMachines(), () => {
  test("guests.repl: on a bare machine, and once more", async (t) => {
    const machine = await booted(t);
    const play = person(t, sshConfig("guests.example.org", machine));
    const first = await play(["play", "hosts/guests.repl"]);
    assert.equal(first.code, 0, first.printed);
    assert.match(first.printed, /^changed {3}guests\.example\.org: \d+ changed, \d+ unchanged in/m);
    assert.match(first.printed, /^unchanged guests\.example\.org: \d+ unchanged in/m);
    // nginx says that it has reloaded before it has.
    await until("the guest book", async () =>
      /Who was here/.test(await visit(machine, "guests.example.org")),
    );
    const again = await play(["play", "hosts/guests.repl"]);
    assert.equal(again.code, 0, again.printed);
    assert.match(again.printed, /^nothing to change$/m);
    assert.doesNotMatch(again.printed, /^changed/m);
  });

  test("sandbox.repl", async (t) => {
    const play = person(t, "");
    const { code, printed } = await play(["play", "hosts/sandbox.repl"]);
    assert.equal(code, 0, printed);
    assert.match(printed, /^~ \/etc\/motd$/m);
    assert.doesNotMatch(printed, /consfigurator/, "what the engine keeps is not told");
  });

  test("web1, which has none, is deployed by a line from a pipe", async (t) => {
    const machine = await booted(t);
    const play = person(t, sshConfig("web1.example.org", machine));
    const { code, printed } = await play([], "deploy(web1)\nconst again = deploy(web1)\nagain.status\n");
    assert.equal(code, 0, printed);
    assert.match(printed, /^unchanged web1\.example\.org: \d+ unchanged in/m);
    assert.match(await visit(machine, "web1.example.org"), /It works/);
  });

  test("are all here", () => {
    assert.deepEqual(globSync("*.repl", { cwd: path.join(root, "hosts") }).sort(), [
      "guests.repl",
      "sandbox.repl",
    ]);
  });
});

async function booted(t: TestContext): Promise<Machine> {
  const machine = await bootMachine();
  t.after(() => machine.stop());
  return machine;
}

const sshConfig = (host: string, machine: Machine): string => `Host ${host}
  HostName ${machine.address}
  HostKeyAlias ${machine.address}
  UserKnownHostsFile ${machine.knownHosts}
  IdentityFile ${machine.identity}
  IdentitiesOnly yes
`;

/** Plays as somebody with a home directory of their own, and with `config` as the configuration of ssh. */
function person(t: TestContext, config: string) {
  const home = mkdtempSync(path.join(tmpdir(), "consfig-plays-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  writeFileSync(path.join(home, "ssh_config"), config);
  const env = {
    ...process.env,
    HOME: home,
    XDG_CACHE_HOME: path.dirname(cacheHome),
    XDG_STATE_HOME: path.join(home, "state"),
    NO_COLOR: "1",
  };
  return async (args: readonly string[], input = "") => {
    // ssh looks for its configuration where the account has its home: so here the system has another one.
    const enter = 'mount --bind "$1" /etc/ssh/ssh_config && shift && exec "$@"';
    const command = [process.execPath, path.join(root, "repl/consfig.js"), ...args];
    const inside = ["--mount", "sh", "-c", enter, "sh", path.join(home, "ssh_config"), ...command];
    const child = spawn("unshare", inside, { cwd: root, env });
    child.stdin.end(input);
    const closed = new Promise<number | null>((settled) => child.on("close", settled));
    const [out, said, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
    return { code, printed: `${out}${said}` };
  };
}

const visit = (machine: Machine, host: string): Promise<string> =>
  new Promise((settled, failed) => {
    // nginx ends a connection that it kept when it reloads.
    const asked = http.get(`http://${machine.address}/`, { headers: { host }, agent: false }, (answer) =>
      settled(text(answer)),
    );
    asked.on("error", failed);
  });
