import assert from "node:assert/strict";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { localConnection } from "../../../lib/connection/local";
import { wrapped } from "../../../lib/connection/wrapped";
import { shellQuote } from "../../../lib/util/shell-quote";

test("much output may come before it is heard that a command has begun", { timeout: 60_000 }, async () => {
  // As with docker, which sends both outputs over one stream: what is told on stderr waits behind stdout.
  const connection = await wrapped(localConnection(), "late()", {
    command: (command) =>
      `e=$(mktemp); /bin/sh -c ${shellQuote(command)} 2>"$e"; c=$?; cat "$e" >&2; rm "$e"; exit "$c"`,
  });
  const channel = await connection.exec("head -c 3000000 /dev/zero; echo over >&2; exit 4");
  channel.stdin.end();
  const [stdout, stderr, exit] = await Promise.all([
    buffer(channel.stdout),
    text(channel.stderr),
    channel.exit,
  ]);
  assert.deepEqual([stdout.length, stderr, exit], [3_000_000, "over\n", 4]);
  await connection.close();
});
