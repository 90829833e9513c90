import assert from "node:assert/strict";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { localConnection } from "../../../lib/connection/local";
import { wrapped } from "../../../lib/connection/wrapped";
import { shellQuote } from "../../../lib/util/shell-quote";
import { limit } from "../../support/load";

test("large output may arrive before the start marker of the command", { timeout: limit(60) }, async () => {
  // Like docker, which sends both outputs over one stream: the marker on stderr waits behind stdout.
  const connection = await wrapped(localConnection(), "late()", {
    command: (command) =>
      `e=$(mktemp); /bin/sh -c ${shellQuote(command)} 2>"$e"; c=$?; cat "$e" >&2; rm "$e"; exit "$c"`,
  });
  const channel = await connection.exec("head -c 3000000 /dev/zero; echo done >&2; exit 4");
  channel.stdin.end();
  const [stdout, stderr, exit] = await Promise.all([
    buffer(channel.stdout),
    text(channel.stderr),
    channel.exit,
  ]);
  assert.deepEqual([stdout.length, stderr, exit], [3_000_000, "done\n", 4]);
  await connection.close();
});

test("what a hop keeps is released once, also after a command could not be started", async () => {
  let isGone = false;
  let released = 0;
  const connection = await wrapped(localConnection(), "gone()", {
    command: (command) => (isGone ? "echo gone >&2; exit 1" : `exec /bin/sh -c ${shellQuote(command)}`),
    close: async () => {
      released += 1;
    },
  });
  isGone = true;
  await assert.rejects(connection.exec("true"), {
    name: "ConnectionFailed",
    message: "gone(): `echo gone >&2; exit 1`: gone",
  });
  assert.equal(connection.alive, false);
  await Promise.all([connection.close(), connection.close()]);
  assert.equal(released, 1);
});
