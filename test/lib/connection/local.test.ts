import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { localConnection, spawned } from "../../../lib/connection/local";
import type { Channel } from "../../../lib/model/connection";
import { ConnectionFailed } from "../../../lib/model/errors";

const connection = localConnection();

/** What a command printed, and how it ended. */
async function said(channel: Channel, input = ""): Promise<[exit: number, stdout: string, stderr: string]> {
  channel.stdin.end(input);
  const [exit, stdout, stderr] = await Promise.all([
    channel.exit,
    text(channel.stdout),
    text(channel.stderr),
  ]);
  return [exit, stdout, stderr];
}

test("a command is shell text, with streams and an exit code", async () => {
  const command = 'read -r line; echo "got $line"; echo "not $line" >&2; exit 7';
  assert.deepEqual(await said(await connection.exec(command), "this\n"), [7, "got this\n", "not this\n"]);
});

test("all output has been read when the exit code is there", async () => {
  const [exit, stdout] = await said(await connection.exec("head -c 1000000 /dev/zero | tr '\\0' x"));
  assert.deepEqual([exit, stdout.length], [0, 1_000_000]);
});

test("a command ended by a signal has 128 and its number", async () => {
  assert.deepEqual(await said(await connection.exec("kill -9 $$")), [137, "", ""]);
});

test("kill ends the command and all that it started", async () => {
  const channel = await connection.exec("sleep 60 & sleep 60; wait");
  channel.kill();
  assert.equal((await said(channel))[0], 143);
  channel.kill("SIGKILL");
});

test("a command that does not read its input is not our end", async () => {
  const channel = await connection.exec("exit 0");
  await channel.exit;
  channel.stdin.write("x".repeat(1_000_000));
  channel.stdin.end();
});

test("what cannot be started is a ConnectionFailed that names it", async () => {
  await assert.rejects(
    spawned("/no/such/program", [], "via.local()"),
    new ConnectionFailed("via.local()", "cannot start /no/such/program: spawn /no/such/program ENOENT"),
  );
});

test("it is this machine, it lives until it is closed, and closing it twice is nothing", async () => {
  const own = localConnection();
  assert.deepEqual([own.description, own.local, own.alive], ["via.local()", true, true]);
  await own.close();
  await own.close();
  assert.deepEqual([own.alive, await own.closed], [false, undefined]);
  await assert.rejects(own.exec("true"), {
    name: "ConnectionFailed",
    message: "via.local(): the connection was closed",
  });
});
