import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { ssh } from "../../../../lib/connection/ssh";
import { promised } from "../../../support/load";
import { bootMachines, type Machine, needsMachines, passwords } from "../../../support/machines";
import { answering, open, outcome, run } from "../_sshd";

describe("via.ssh to real Debian hosts", needsMachines(), () => {
  let near: Machine;
  let far: Machine;
  let directory: string;
  const config = () => path.join(directory, "config");

  before(async () => {
    [near, far] = (await bootMachines(2)) as [Machine, Machine];
    directory = mkdtempSync(path.join(tmpdir(), "consfig-ssh-test-"));
    const known = path.join(directory, "known_hosts");
    writeFileSync(known, [near, far].map(({ address, hostKey }) => `${address} ${hostKey}\n`).join(""));
    writeFileSync(config(), `UserKnownHostsFile ${known}\nGlobalKnownHostsFile none\nIdentityAgent none\n`);
  });
  after(async () => {
    rmSync(directory, { recursive: true, force: true });
    await Promise.all([near?.stop(), far?.stop()]);
  });

  for (const transport of ["ssh2", "openssh"] as const) {
    test(`as an ordinary user, through ${transport}`, async () => {
      const hop = ssh({
        user: "plain",
        hop: near.address,
        config: config(),
        identity: near.identity,
        transport,
      });
      const { connection } = await open(hop);
      assert.equal((await run(connection, "id -un; pwd")).stdout, "plain\n/home/plain\n");
      const channel = await connection.exec("sleep 77041");
      channel.kill("SIGINT");
      assert.equal((await outcome(channel)).exit, 130);
    });

    test(`with a password that is asked for once per session, through ${transport}`, async () => {
      const hop = ssh({
        user: "plain",
        hop: near.address,
        config: config(),
        identity: "/nowhere/key",
        transport,
      });
      const { ask, asked } = answering({ secrets: ["wrong", passwords.plain] });
      const { connection } = await open(hop, { ask });
      assert.equal((await run(connection, "id -un")).stdout, "plain\n");
      assert.equal(asked.length, 2);
      if (transport === "openssh") return;
      const { connection: second } = await open(hop, { ask });
      assert.equal((await run(second, "id -un")).stdout, "plain\n");
      assert.equal(asked.length, 2);
    });
  }

  test("from one host to the next, with the ssh and the keys of that host", async () => {
    const first = await open(
      ssh({ user: "root", hop: near.address, config: config(), identity: near.identity }),
    );
    const onward = ssh({ user: "root", hop: far.address, keepaliveSeconds: 1 });
    const written = `via.ssh({ user: 'root', hop: '${far.address}', keepaliveSeconds: 1 })`;
    const throughFirst = { parent: first.connection, name: "far.test" };

    await assert.rejects(open(onward, throughFirst), {
      name: "ConnectionFailed",
      message:
        /^via\.ssh\(.*\): the host key of far\.test \([\d.]+\) is unknown and was not accepted; .* add it to known_hosts on the machine before it \(via\.ssh\(/,
    });

    await run(
      first.connection,
      `umask 077; mkdir -p ~/.ssh; echo 'far.test ${far.hostKey}' >> ~/.ssh/known_hosts; ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519`,
    );
    await assert.rejects(open(onward, throughFirst), {
      message:
        /: login as root failed: .*Permission denied .*; check that one of your keys on via\.ssh\(.*\) is in authorized_keys on the host$/,
    });

    const { stdout: key } = await run(first.connection, "cat ~/.ssh/id_ed25519.pub");
    await far.run("mkdir -p ~/.ssh; cat >> ~/.ssh/authorized_keys", { input: key });
    const { connection } = await open(onward, throughFirst);
    assert.equal(connection.description, `${first.connection.description}, ${written}`);
    assert.deepEqual(await run(connection, "hostname; cat; echo err >&2; exit 255", "typed\n"), {
      exit: 255,
      stdout: `${far.name}\ntyped\n`,
      stderr: "err\n",
    });
    const channel = await connection.exec("sleep 77042 & sleep 77042");
    channel.kill();
    assert.equal((await outcome(channel)).exit, 143);

    const running = await connection.exec("sleep 30");
    await first.connection.close();
    await assert.rejects(running.exit, { name: "ConnectionFailed" });
    assert.equal(connection.alive, false);
    assert.match((await connection.closed)?.message ?? "", /the link to .* was lost/);
  });

  test("the same key file logs in through ProxyJump", async () => {
    const jumping = path.join(directory, "jumping");
    writeFileSync(
      jumping,
      `Host far.test\n  HostName ${far.address}\n  ProxyJump root@${near.address}\nHost *\n  IdentityFile ${near.identity}\n  UserKnownHostsFile ${directory}/known_hosts\n  GlobalKnownHostsFile none\n`,
    );
    const { connection } = await open(ssh({ user: "root", config: jumping }), { name: "far.test" });
    assert.equal((await run(connection, "hostname")).stdout, `${far.name}\n`);
  });

  test("a power cut is detected within seconds", async () => {
    const hop = ssh({
      user: "root",
      hop: far.address,
      config: config(),
      identity: far.identity,
      keepaliveSeconds: 1,
    });
    const { connection } = await open(hop);
    const running = await connection.exec("sleep 100");
    const inTime = promised(15, "noticing a lost link");
    await far.cutPower();
    await assert.rejects(running.exit, { name: "ConnectionFailed", message: /the link to .* was lost/ });
    inTime();
    assert.equal(connection.alive, false);
  });
});
