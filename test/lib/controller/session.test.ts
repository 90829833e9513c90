import assert from "node:assert/strict";
import { test } from "node:test";
import { local } from "../../../lib/connection/local";
import { deploy } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { defhost } from "../../../lib/model/host";
import * as toy from "../../support/toy";

test("closing the session, even twice, closes its connections; a later deployment opens its own", async () => {
  const web1 = defhost("web1.example.org", { deploy: [local()] }, toy.changes("a"));
  await deploy(web1);
  assert.deepEqual(
    session.connections.open().map(({ host }) => host),
    ["web1.example.org"],
  );
  await session.close();
  await session.close();
  assert.deepEqual(session.connections.open(), []);
  assert.equal((await deploy(web1)).ok, true);
  await session.close();
});
