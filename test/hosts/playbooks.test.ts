import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { cacheHome, root } from "../../lib/util/package";
import { bootMachine, type Machine, needsMachines } from "../support/machines";
import { until } from "../support/until";

/** The examples as a new user runs them: their playbooks, run with the consfig command. */
describe("the playbooks of hosts/", needsMachines(), () => {
  test("guests.repl: on a bare machine, twice", async (t) => {
    const machine = await booted(t);
    const play = newUser(t, sshConfig("guests.example.org", machine));
    const first = await play(["play", "hosts/guests.repl"]);
    assert.equal(first.code, 0, first.printed);
    assert.match(first.printed, /^changed {3}guests\.example\.org: \d+ changed, \d+ unchanged in/m);
    assert.match(first.printed, /^unchanged guests\.example\.org: \d+ unchanged in/m);
    // nginx reports a reload before it is done.
    await until("the guest book", async () =>
      /Who was here/.test(await visit(machine, "guests.example.org")),
    );
    const again = await play(["play", "hosts/guests.repl"]);
    assert.equal(again.code, 0, again.printed);
    assert.match(again.printed, /^nothing to change$/m);
    assert.doesNotMatch(again.printed, /^changed/m);
  });

  test("sandbox.repl", async (t) => {
    const play = newUser(t, "");
    const { code, printed } = await play(["play", "hosts/sandbox.repl"]);
    assert.equal(code, 0, printed);
    assert.match(printed, /^\/etc\/motd: .*\+1/m);
    assert.match(printed, /^\+This machine is described in hosts\/sandbox\.ts\.$/m);
    assert.doesNotMatch(printed, /consfigurator/, "the state of the engine is not shown");
  });

  test("tour.repl: the tables of a host, for people and for machines", async (t) => {
    const play = newUser(t, "");
    const { code, printed } = await play(["play", "hosts/tour.repl"]);
    assert.equal(code, 0, printed);
    assert.match(printed, /^name +uid +groups/m);
    assert.match(printed, /^root +0 +root /m);
    assert.match(printed, /^pid +parent +user/m);
    assert.match(printed, /^root +present$/m);
    assert.match(printed, /^file\.hasContent\('\/etc\/hostname', /m);
    const events = await play(["play", "--json", "hosts/tour.repl"]);
    assert.equal(events.code, 0, events.printed);
    const rows = events.printed.split("\n").filter((line) => line.includes('"kind":"step-rows"'));
    assert.equal((JSON.parse(rows[0] ?? "{}") as { rows: { processors: number }[] }).rows.length, 1);
  });

  test("web1, which has no playbook, is deployed from standard input", async (t) => {
    const machine = await booted(t);
    const play = newUser(t, sshConfig("web1.example.org", machine));
    const { code, printed } = await play([], "deploy(web1)\nconst again = deploy(web1)\nagain.status\n");
    assert.equal(code, 0, printed);
    assert.match(printed, /^unchanged web1\.example\.org: \d+ unchanged in/m);
    assert.match(await visit(machine, "web1.example.org"), /It works/);
  });

  test("no playbook is left out", () => {
    assert.deepEqual(globSync("*.repl", { cwd: path.join(root, "hosts") }).sort(), [
      "guests.repl",
      "sandbox.repl",
      "tour.repl",
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

/** Runs the command with a new home directory, and with `config` as the ssh configuration. */
function newUser(t: TestContext, config: string) {
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
    // ssh ignores $HOME for its configuration, so the system's configuration is replaced.
    const enter = 'mount --bind "$1" /etc/ssh/ssh_config && shift && exec "$@"';
    const command = [process.execPath, path.join(root, "repl/consfig.js"), ...args];
    const inside = ["--mount", "sh", "-c", enter, "sh", path.join(home, "ssh_config"), ...command];
    const child = spawn("unshare", inside, { cwd: root, env });
    child.stdin.end(input);
    const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
    const [out, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
    return { code, printed: `${out}${errors}` };
  };
}

const visit = (machine: Machine, host: string): Promise<string> =>
  new Promise((resolve, reject) => {
    // nginx closes kept connections when it reloads.
    const request = http.get(`http://${machine.address}/`, { headers: { host }, agent: false }, (answer) =>
      resolve(text(answer)),
    );
    request.on("error", reject);
  });
