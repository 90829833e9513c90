import assert from "node:assert/strict";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { localConnection } from "../../../lib/connection/local";
import { wrapped } from "../../../lib/connection/wrapped";
import { shellQuote } from "../../../lib/util/shell-quote";

test("large output may arrive before the start marker of the command", { timeout: 60_000 }, async () => {
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
