/**
 * Deployments cancelled at random moments, over several hops and in every kind of step. `CANCELLATIONS_SEED=7 npm test --
 * test/lib/controller/cancellations.test.ts` repeats a run; `npm run cancellations` takes more of them, over every hop.
 */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { session } from "../../../lib/controller/session";
import * as via from "../../../lib/via";
import type { Way } from "../../endurance/_cancelling";
import { endless } from "../../endurance/_steps";
import { cancellations } from "../../endurance/cancellations";
import { limit } from "../../support/load";
import { needsMachines } from "../../support/machines";
import { type Rig, rig } from "../agent/_rig";

const SEED = Number(process.env["CANCELLATIONS_SEED"] ?? Date.now() % 2 ** 31);
const COUNT = 12;

describe("cancellations at random moments", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    on.write({ "properties/endless.ts": endless });
    const error = session.consfig?.refresh().error;
    if (error) throw error;
    await on.machine.run("mkdir -p /srv/chroot && mount --bind / /srv/chroot");
  });
  after(() => on?.stop());

  test("none is lost, nothing goes on, and the next deployment works", { timeout: limit(180) }, async (t) => {
    const { seed, count } = { seed: SEED, count: COUNT };
    t.diagnostic(`CANCELLATIONS_SEED=${seed}`);
    const problems = await cancellations(ways(on), { seed, count, print: (line) => t.diagnostic(line) });
    assert.deepEqual(problems, [], `CANCELLATIONS_SEED=${seed}`);
  });
});

function ways({ ssh }: Rig): Way[] {
  const openssh = via.ssh({ ...(ssh().args as Parameters<typeof via.ssh>[0]), transport: "openssh" });
  const way = (name: string, agent: boolean, ...hops: Way["hops"]): Way => ({
    name,
    hops,
    agent,
    other: "admin",
  });
  return [
    way("via.ssh, via.agent", true, ssh(), via.agent()),
    way("via.ssh", false, ssh()),
    way("via.ssh with openssh", false, openssh),
    way("via.ssh, via.sudo, via.agent", true, ssh("admin"), via.sudo(), via.agent()),
    way("via.ssh, via.sudo", false, ssh("admin"), via.sudo()),
    { name: "via.ssh, via.su", hops: [ssh(), via.su("plain")], agent: false },
    { name: "via.ssh, via.agent, via.as", hops: [ssh(), via.agent(), via.as("plain")], agent: true },
    way("via.ssh, via.chroot", false, ssh(), via.chroot("/srv/chroot")),
    way("via.ssh, via.agent, via.chroot", true, ssh(), via.agent(), via.chroot("/srv/chroot")),
  ];
}
