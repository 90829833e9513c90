import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { bootMachine, type Machine, needsMachines, writeKnownHosts } from "../../support/machines";
import { type DelayProxy, delayProxy } from "../../support/proxy";
import { needsTerminal, prompt } from "../_terminal";

const ALTERNATE = "\u001b[?1049h";
const USUAL = "\u001b[?1049l";

/** What would be left behind: who listens to the terminal, the window and the process. */
const LISTENERS =
  "[process.stdout.listenerCount('resize'), process.stdin.listenerCount('data'), process.listenerCount('SIGINT'), process.listenerCount('exit')].join()";

test("a host on the whole screen, and then the prompt as it was", needsTerminal, async (t) => {
  const at = await prompt(t, {
    "hosts/other.ts": `import { defhost } from "consfigurator";
export const nohops = defhost("nohops.example.org");
`,
  });
  await at.type(".look heer", /there is no host "heer"; did you mean here\?\nconsfig> $/);
  await at.type(
    ".look nohops",
    /no hops are known for nohops\.example\.org; add \{ deploy: \[…\] \} to its defhost\(\)\nconsfig> $/,
  );
  let raw = "";
  at.child.stdout.on("data", (chunk: Buffer) => (raw += chunk.toString()));
  const before = await at.type(LISTENERS, /'[\d,]+'\nconsfig> $/);
  at.keys(".look here\r");
  await at.until(/would change +content of greeting +hosts\/here\.ts:4:81/);
  assert.ok(raw.includes(ALTERNATE));
  assert.ok(!raw.includes(USUAL));
  at.keys("\r");
  await at.until(/greeting: created, mode 0644, \+1[\s\S]*\+hello[\s\S]*`path` has exactly `content`/);
  at.keys("q7");
  await at.until(/place[\s\S]*>\/.*%/);
  at.keys("/no such place\r");
  await at.until(/nothing matches no such place/);
  at.keys("q1 + 1\r");
  await at.until(/\n2\nconsfig> $/);
  assert.ok(raw.lastIndexOf(USUAL) > raw.lastIndexOf(ALTERNATE));
  at.keys("\u001b[A\u001b[A");
  await at.until(/\.look here$/);
  const after = await at.type(`\u0015${LISTENERS}`, /'[\d,]+'\nconsfig> $/);
  assert.equal(/'.*'\n/.exec(after)?.[0], /'.*'\n/.exec(before)?.[0]);
});

test("a deployment asks first, and is printed at the prompt afterwards", needsTerminal, async (t) => {
  const at = await prompt(t);
  const greeting = path.join(at.env["HOME"] ?? "", "greeting");
  at.keys(".look here\r");
  await at.until(/would change +content of greeting/);
  at.keys("d");
  await at.until(/deploy here\.example\.org\? \(y\/n\)/);
  at.keys("n");
  await at.until(/nothing was done/);
  assert.ok(!existsSync(greeting));
  at.keys("dy");
  await at.until(/here\.example\.org: 1 changed in/);
  await at.until(/holds/);
  assert.ok(existsSync(greeting));
  at.keys("\u0003");
  await at.until(/ {2}\+ content of greeting.*\n\+ here\.example\.org: 1 changed in .*\nconsfig> $/);
  await at.type(".report", /\+ here\.example\.org: 1 changed in/);
});

describe("a machine", { ...needsMachines(), ...needsTerminal }, () => {
  let machine: Machine;
  let proxy: DelayProxy;
  before(async () => {
    machine = await bootMachine({ name: "web1" });
    proxy = await delayProxy({ to: { host: machine.address, port: 22 } });
  });
  after(async () => {
    await proxy?.close();
    await machine?.stop();
  });

  test("units are opened and restarted, the journal comes, a shell is opened, and its link is lost", async (t) => {
    const at = await prompt(t, { "hosts/web1.ts": "" });
    const known = path.join(at.root, "known_hosts");
    writeKnownHosts(known, machine, [`[${proxy.host}]:${proxy.port}`]);
    writeFileSync(path.join(at.root, "ssh_config"), `UserKnownHostsFile ${known}\n`);
    const { host: hop, port } = proxy;
    const ssh = {
      user: "root",
      hop,
      port,
      identity: machine.identity,
      config: path.join(at.root, "ssh_config"),
    };
    writeFileSync(
      path.join(at.root, "hosts/web1.ts"),
      `import { defhost, via } from "consfigurator";
import { os } from "consfigurator/properties";
export const web1 = defhost("web1.example.org", { deploy: [via.ssh(${JSON.stringify(ssh)})] },
  os.debianStable("bookworm", "amd64"));
`,
    );
    await at.type("web1.name", /'web1\.example\.org'\nconsfig> $/);
    at.keys(".look web1\r");
    await at.until(/holds +runs Debian bookworm/);
    at.keys("4/cron\r");
    await at.until(/>cron +active +running/);
    at.keys("\r");
    await at.until(/state +active[\s\S]*Started cron\.service[\s\S]*\[Install\]/);
    const pid = await machine.run("systemctl show -P MainPID cron");
    at.keys("ry");
    await at.until(/web1\.example\.org: 1 changed in/);
    assert.notEqual(await machine.run("systemctl show -P MainPID cron"), pid);
    at.keys("q8");
    await at.until(/time +program +message/);
    at.keys("");
    await machine.run("logger -t probe 'the\u001b[2J entry'");
    await at.until(/probe +the␛\[2J entry/);
    at.keys("s");
    await at.until(/root@\S+[#$] $/);
    at.keys("echo in-$((1 + 1))\r");
    await at.until(/\nin-2\n/);
    at.keys("exit\r");
    await at.until(/8 logs[\s\S]*>/);
    at.keys("");
    proxy.cut("refuse");
    await at.until(/✗ web1\.example\.org: /);
    at.keys("q");
    await at.until(/\+ web1\.example\.org: 1 changed in .*\nconsfig> $/);
  });
});
