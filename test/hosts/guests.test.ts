import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { deploy } from "../../lib/controller/deploy";
import { session } from "../../lib/controller/session";
import type { Host } from "../../lib/model/host";
import { root } from "../../lib/util/package";
import * as via from "../../lib/via";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { needsMachines } from "../support/machines";
import { until } from "../support/until";

describe("a custom service from source, behind nginx", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    for (const file of ["services/cool.ts", "hosts/guests.ts"])
      cpSync(path.join(root, file), path.join(on.consfig, file));
    assert.equal(session.consfig?.refresh().error, undefined);
  });
  after(() => on?.stop());

  const guests = () => session.consfig?.scope()["guests"] as Host;
  const visit = (entry?: string) =>
    new Promise<string>((resolve, reject) => {
      const method = entry === undefined ? "GET" : "POST";
      const headers = { host: "guests.example.org" };
      // A new connection each time: nginx closes kept connections when it reloads.
      const request = http.request(
        `http://${on.machine.address}/`,
        { method, headers, agent: false },
        (answer) => resolve(text(answer)),
      );
      request.on("error", reject);
      request.end(entry === undefined ? undefined : new URLSearchParams({ entry }).toString());
    });

  test("the first deployment serves, the second changes nothing, a changed line goes live", async () => {
    const hops = [on.ssh(), via.agent()];
    assertOk(await deploy(guests(), ...hops));
    // nginx reports a reload before it is done, and old workers still answer for a while.
    await until("nginx serves the site", async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => visit()));
      return answers.every((answer) => answer.includes("Who was here"));
    });
    await visit("Grace <3");
    assert.match(await visit(), /<li>Grace &lt;3<\/li>/);
    const again = await deploy(guests(), ...hops);
    assertOk(again);
    assert.equal(again.status, "unchanged");
    const file = path.join(on.consfig, "services/cool.ts");
    writeFileSync(file, readFileSync(file, "utf8").replace("Who was here", "Who has been here"));
    const report = await deploy(guests(), ...hops);
    assertOk(report);
    assert.deepEqual(
      report.changed.map(({ property }) => property),
      ["imageDumped", "daemon.running"],
    );
    assert.match(await visit(), /<h1>Who has been here<\/h1>\s*<ul><li>Grace &lt;3<\/li><\/ul>/);
  });
});
