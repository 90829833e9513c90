/** The lock of a host, over a shell on this machine: the directory that it locks is that of this test file. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { allProcesses, argumentsOf } from "../../../lib/agent/host/processes";
import { HostLock, type HostLockOptions, prepareHolder } from "../../../lib/connection/host-lock";
import { localConnection } from "../../../lib/connection/local";
import { ssh } from "../../../lib/connection/ssh";
import { Cancellation } from "../../../lib/model/cancellation";
import type { Connection } from "../../../lib/model/connection";
import type { Progress } from "../../../lib/model/events";
import { HOLDS, WAITS } from "../../../lib/model/host-lock";
import { until } from "../../support/until";
import { open, sshd } from "./_sshd";

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "host-lock-"));
});
after(() => rmSync(dir, { recursive: true, force: true }));

const lockOf = (
  deployment: string,
  more: Partial<HostLockOptions> = {},
  connection: Connection = localConnection(),
) => {
  const events: Progress[] = [];
  const cancellation = new Cancellation();
  const lock = new HostLock(connection, {
    deployment,
    by: "ana@laptop",
    held: [],
    cancellation,
    emit: (event) => events.push(event),
    ...more,
  });
  return { lock, events, cancellation, connection };
};

async function said(connection: Connection, command: string): Promise<string> {
  const channel = await connection.exec(command);
  channel.stdin.end();
  return text(channel.stdout);
}

/** The holders and waiting shells of these deployments. */
const processesOf = (name: string, deployment: string): number[] =>
  allProcesses().flatMap(({ pid }) => {
    const words = argumentsOf(pid);
    return words.includes(name) && words.includes(deployment) ? [pid] : [];
  });

describe("the lock of a host", () => {
  test("the first question comes with the lock, in one process", async () => {
    const { lock, events } = lockOf("d1");
    const channel = await lock.connection.look?.("echo one; echo two; exit 3");
    assert.ok(channel);
    assert.deepEqual([await text(channel.stdout), await channel.exit], ["one\ntwo\n", 3]);
    assert.equal(processesOf(HOLDS, "d1").length > 0, true);
    assert.equal(await said(lock.connection, "echo three"), "three\n");
    lock.release();
    await until("its end", () => processesOf(HOLDS, "d1").length === 0);
    assert.deepEqual(events, []);
  });

  test("another deployment waits, and is told for whom", async () => {
    const one = lockOf("d1");
    await one.lock.held();
    const other = lockOf("d2");
    const answered = other.lock.connection.look?.("echo mine").then((channel) => text(channel.stdout));
    await until("the reason", () => other.events.length > 0);
    const [event] = other.events;
    assert.match(
      event?.kind === "waiting" ? event.reason : "",
      /^deployment d1 by ana@laptop, as root, has held the host since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ; waiting for it to finish$/,
    );
    one.lock.release();
    assert.equal(await answered, "mine\n");
    other.lock.release();
    assert.equal(other.events.length, 1);
  });

  test("two deployments over one connection: the second waits in this process", async () => {
    const one = lockOf("d1");
    await one.lock.held();
    const second = lockOf("d2", {}, one.connection);
    const third = lockOf("d3", {}, one.connection);
    const waiting = [second, third].map(async ({ lock }) => {
      const channel = await lock.connection.look?.("echo mine");
      assert.equal(channel && (await text(channel.stdout)), "mine\n");
      lock.release();
    });
    await until("both reasons", () => second.events.length > 0 && third.events.length > 0);
    const reason = ({ events: [event] }: typeof second) => (event?.kind === "waiting" ? event.reason : "");
    assert.match(
      reason(second),
      /^deployment d1 by ana@laptop has held the host since 20\S+Z; waiting for it to finish$/,
    );
    assert.equal(
      reason(third),
      "deployment d2 by ana@laptop waits for the host, too; waiting for it to finish",
    );
    assert.equal(processesOf(WAITS, "d2").length, 0, "nothing on the host");
    one.lock.release();
    await Promise.all(waiting);
  });

  test("a host that the deployment around it holds is not waited for", async () => {
    const around = lockOf("d1");
    await around.lock.held();
    for (const local of [true, false]) {
      // Over other connections, the host finds out.
      const connection = { ...localConnection(), local };
      const inner = lockOf("d1-2", { held: around.lock.hosts }, connection);
      assert.equal(await said(inner.lock.connection, "echo in"), "in\n");
      inner.lock.release();
      assert.deepEqual(inner.events, []);
    }
    around.lock.release();
  });

  test("a hop that spreads the connection asks behind itself", async () => {
    const { lock } = lockOf("d1");
    const hop: Connection = {
      ...lock.connection,
      exec: (command) => lock.connection.exec(`in=side; ${command}`),
    };
    assert.deepEqual([hop.look, hop.locked], [undefined, undefined]);
    assert.equal(await said(hop, "echo $in"), "side\n");
    lock.release();
  });

  test("a holder that was started before is told for whom", async () => {
    const connection = localConnection();
    const holder = await prepareHolder(connection, path.join(dir, "leftovers"));
    const one = lockOf("d1", { holder }, connection);
    await one.lock.held();
    assert.equal(one.lock.hosts.length, 1);
    const other = lockOf("d2");
    const waiting = other.lock.held();
    await until("the reason", () => other.events.length > 0);
    assert.match(other.events[0]?.kind === "waiting" ? other.events[0].reason : "", /^deployment d1 by ana@/);
    one.lock.release();
    await waiting;
    other.lock.release();
  });

  test("one that somebody has ended is replaced", async () => {
    const connection = localConnection();
    const holder = await prepareHolder(connection, path.join(dir, "leftovers"));
    holder.channel.kill("SIGKILL");
    await holder.channel.exit;
    const { lock, events } = lockOf("d1", { holder }, connection);
    await lock.held();
    assert.deepEqual([lock.hosts.length, events], [1, []]);
    lock.release();
  });

  test("a stopped step ends where it has to wait; a cancelled one starts nothing", async () => {
    const holder = lockOf("d1");
    const [stopped, cancelled] = [lockOf("d2"), lockOf("d3")];
    stopped.cancellation.request("stop");
    // The step that runs is to finish.
    assert.equal(await said(stopped.lock.connection, "echo on"), "on\n");
    stopped.lock.release();
    await holder.lock.held();
    const waits = lockOf("d4");
    waits.cancellation.request("stop");
    await assert.rejects(waits.lock.held(), { name: "Cancelled", message: "the deployment was stopped" });
    await assert.rejects(said(waits.lock.connection, "true"), { name: "Cancelled" });
    cancelled.cancellation.request("cancel");
    await assert.rejects(cancelled.lock.held(), {
      name: "Cancelled",
      message: "the deployment was cancelled",
    });
    holder.lock.release();
    await until("no process of them", () => processesOf(WAITS, "d4").length === 0);
  });

  for (const [transport, sessions] of [
    ["ssh2", 1],
    ["openssh", 2],
  ] as const)
    test(`where ${transport} has one session left, the commands get it, with a notice`, async () => {
      const lock = mkdtempSync(path.join(dir, "lock-"));
      const server = await sshd({
        server: [`MaxSessions ${sessions}`, `SetEnv SHLVL=5 CONSFIGURATOR_LOCK=${lock}`],
      });
      server.trust(`[web1.test]:${server.port}`);
      const { port, config } = server;
      const { connection } = await open(ssh({ port, hop: "127.0.0.1", config, transport }));
      const on = lockOf("d1", {}, connection);
      const channel = await on.lock.connection.look?.("echo one");
      assert.equal(channel && (await text(channel.stdout)), "one\n");
      assert.equal(await said(on.lock.connection, "echo two"), "two\n");
      on.lock.release();
      assert.deepEqual(on.events, [
        {
          kind: "notice",
          text: "other deployments are not kept off this host while this one runs: it allows one session at a time (MaxSessions of its sshd)",
        },
      ]);
    });
});
