import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "../../../../lib/agent/client/_pace";
import { localConnection } from "../../../../lib/connection/local";

test("who waits for a turn goes on when nothing is measured any more", { timeout: 10_000 }, async () => {
  const connection = localConnection();
  // Nothing comes back over a link that is lost.
  const silent = { ...connection, exec: () => connection.exec("exec sleep 100", { lasting: true }) };
  const pace = new Pace(silent);
  await pace.begin();
  pace.sent(1_000_000_000);
  let passed = false;
  const turn = pace.turn().then(() => {
    passed = true;
  });
  await Promise.resolve();
  assert.equal(passed, false);
  pace.end();
  await turn;
  await connection.close();
});
