/** What the process that applies a deployment reports, and when. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { until } from "../../support/until";
import { type LocalAgent, localAgent } from "../agent/_local";
import { eventsOf, prop } from "../agent/_rig";

describe("a worker", () => {
  let on: LocalAgent;
  before(() => {
    on = localAgent();
  });
  after(() => on.stop());

  test("says which property it applies, also of one that keeps it busy without a pause", async () => {
    const deployment = on.deploy(
      prop("probe.runs", "true"),
      prop("stuck.spins", path.join(on.dir, "spinning")),
    );
    const events = eventsOf(deployment);
    const seen = () =>
      events.flatMap((event) =>
        event.kind === "step-started"
          ? [`${event.property} begins`]
          : event.kind === "step-ended"
            ? [`${event.step} ends`]
            : [],
      );
    await until("the step that spins", () => seen().includes("stuck.spins begins"), { saw: seen });
    assert.deepEqual(seen(), ["probe.runs begins", "1 ends", "stuck.spins begins"]);
    deployment.stop();
    deployment.cancel();
    assert.equal((await deployment).status, "cancelled");
  });
});
