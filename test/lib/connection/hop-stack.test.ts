import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { HopStack } from "../../../lib/connection/hop-stack";
import { localConnection } from "../../../lib/connection/local";
import { controllerArtifacts } from "../../../lib/controller/artifacts";
import { Cancelled } from "../../../lib/model/errors";
import { HostModel } from "../../../lib/model/host";
import * as via from "../../../lib/via";

test("a hop that is cancelled while it reads its configuration is cancelled, not failed", async (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), "hop-stack-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const config = path.join(dir, "config");
  writeFileSync(config, 'Match exec "sleep 2"\n  Port 2222\n');
  const cancel = new AbortController();
  const opening = new HopStack(localConnection()).open(via.ssh({ config, hop: "127.0.0.1" }), {
    host: HostModel.named("web1.test"),
    ask: undefined,
    signal: cancel.signal,
    artifacts: controllerArtifacts,
    progress: () => {},
  });
  setTimeout(() => cancel.abort(new Cancelled("the deployment was cancelled")), 300);
  await assert.rejects(opening, new Cancelled("the deployment was cancelled"));
});
