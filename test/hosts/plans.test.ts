/** The example consfigs are planned before they are deployed, on bare machines; each plan must come true. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { discardSandbox } from "../../lib/connection/sandbox";
import { deploy, plan } from "../../lib/controller/deploy";
import { session } from "../../lib/controller/session";
import type { Hop } from "../../lib/model/hop";
import type { Host } from "../../lib/model/host";
import { assertStepsCameTrue, stepOutcomes } from "../../lib/test-harness/planning";
import { root } from "../../lib/util/package";
import * as via from "../../lib/via";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { needsMachines } from "../support/machines";

/** The hosts, the file of each, and whether only an agent can deploy it. */
const examples = [
  { name: "web1", consfig: "hosts/web.ts" },
  { name: "sandbox", consfig: "hosts/sandbox.ts" },
  { name: "guests", consfig: "hosts/guests.ts", needsAgent: true },
];

describe("plans of the examples", needsMachines(), () => {
  for (const { name, consfig, needsAgent = false } of examples)
    for (const through of needsAgent ? ["an agent"] : ["an agent", "a shell"])
      describe(`${name}, through ${through}`, () => {
        let on: Rig;
        before(async () => {
          on = await rig();
          for (const file of ["services/cool.ts", consfig])
            cpSync(path.join(root, file), path.join(on.consfig, file));
          assert.equal(session.consfig?.refresh().error, undefined);
        });
        after(async () => {
          if (name === "sandbox") await discardSandbox();
          await on?.stop();
        });

        /** Plans, deploys and compares. */
        async function comesTrue(expected: "changed" | "unchanged"): Promise<void> {
          const host = session.consfig?.scope()[name] as Host;
          const hops = (name === "sandbox" ? [via.sandbox()] : [on.ssh()]).concat(
            through === "an agent" ? [via.agent()] : [],
          ) as unknown as Hop;
          const planned = await plan(host, hops);
          assert.equal(planned.failure, undefined);
          const report = await deploy(host, hops);
          assertOk(report);
          assert.equal(report.status, expected);
          assertStepsCameTrue(stepOutcomes(planned), stepOutcomes(report), consfig);
        }

        // nginx and others are installed from the network.
        const options = { timeout: 10 * 60_000 };
        test("on a bare machine", options, () => comesTrue("changed"));
        test("once more", options, () => comesTrue("unchanged"));
      });
});
