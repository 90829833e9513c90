import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { localConnection, spawned } from "../../../lib/connection/local";
import type { Channel } from "../../../lib/model/connection";
import { ConnectionFailed } from "../../../lib/model/errors";

const connection = localConnection();

/** The exit code and the outputs of a command. */
async function outcome(
  channel: Channel,
  input = "",
): Promise<[exit: number, stdout: string, stderr: string]> {
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
  assert.deepEqual(await outcome(await connection.exec(command), "this\n"), [7, "got this\n", "not this\n"]);
});

test("the exit code arrives after all output has been read", async () => {
  const [exit, stdout] = await outcome(await connection.exec("head -c 1000000 /dev/zero | tr '\\0' x"));
  assert.deepEqual([exit, stdout.length], [0, 1_000_000]);
});

test("a command killed by a signal has exit code 128 + its number", async () => {
  assert.deepEqual(await outcome(await connection.exec("kill -9 $$")), [137, "", ""]);
});

test("kill ends the command and everything it started", async () => {
  const channel = await connection.exec("sleep 60 & sleep 60; wait");
  channel.kill();
  assert.equal((await outcome(channel))[0], 143);
  channel.kill("SIGKILL");
});

test("writing to a command that does not read its input is harmless", async () => {
  const channel = await connection.exec("exit 0");
  await channel.exit;
  channel.stdin.write("x".repeat(1_000_000));
  channel.stdin.end();
});

test("a program that cannot be started is a ConnectionFailed that names it", async () => {
  await assert.rejects(
    spawned("/no/such/program", [], "via.local()"),
    new ConnectionFailed("via.local()", "cannot start /no/such/program: spawn /no/such/program ENOENT"),
  );
});

test("the connection is local, stays open until closed, and can be closed twice", async () => {
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
