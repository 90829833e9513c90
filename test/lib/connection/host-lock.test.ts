/** The lock of a host, over a shell on this machine: the directory that it locks is that of this test file. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { allProcesses, argumentsOf } from "../../../lib/agent/host/processes";
import { HostLock, type HostLockOptions } from "../../../lib/connection/host-lock";
import { localConnection } from "../../../lib/connection/local";
import { Cancellation } from "../../../lib/model/cancellation";
import type { Connection } from "../../../lib/model/connection";
import type { Progress } from "../../../lib/model/events";
import { HOLDS } from "../../../lib/model/host-lock";
import { until } from "../../support/until";

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "host-lock-"));
});
after(() => rmSync(dir, { recursive: true, force: true }));

const lockOf = (deployment: string, more: Partial<HostLockOptions> = {}) => {
  const events: Progress[] = [];
  const cancellation = new Cancellation();
  const connection = localConnection();
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
    await lock.release();
    assert.deepEqual(processesOf(HOLDS, "d1"), []);
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
    await one.lock.release();
    assert.equal(await answered, "mine\n");
    await other.lock.release();
    assert.equal(other.events.length, 1);
  });
});
