import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eseqprops } from "../../../lib/combinators";
import { deployThese } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { Cancelled } from "../../../lib/model/errors";
import type { DeployEvent } from "../../../lib/model/events";
import { defprop } from "../../../lib/model/property";
import { object } from "../../../lib/model/schema";
import type { PosixTarget } from "../../../lib/model/target";
import { reconnects } from "../../../lib/nested/deploys";
import * as via from "../../../lib/via";
import { promised } from "../../support/load";
import { until } from "../../support/until";

let targets: PosixTarget[] = [];
let release: () => void = () => {};

/** Settles when the test lets it. An `apply` that declares no target is not called before its turn. */
const waits = defprop({
  name: "test.waits",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  apply: async (...[, target]) => {
    targets.push(target);
    await new Promise<void>((settle) => {
      release = settle;
    });
    return "changed";
  },
});
after(() => session.close());

for (const [name, application] of [
  ["at the top", () => waits()],
  ["in a nested deployment", () => reconnects(via.rehome("/tmp"), waits())],
] as const) {
  test(`a step ${name} that never settles over a shell: the deployment ends, the step can do nothing more`, async () => {
    targets = [];
    const events: DeployEvent[] = [];
    const deployment = deployThese("web1.example.org", via.local(), eseqprops(application(), waits()));
    deployment.subscribe((event) => void events.push(event));
    await until("the step", () => targets[0]);
    const inTime = promised(5, "the end of a deployment that was cancelled");
    deployment.stop();
    deployment.cancel();
    const report = await deployment;
    inTime();
    assert.equal(report.status, "cancelled");
    assert.equal(
      report.failure?.message,
      "the deployment was cancelled; a step did not stop within 4 s and was left as it is: it can do nothing more on the host; deploy again to finish it",
    );
    await assert.rejects(
      targets[0]?.run("true") ?? Promise.resolve(),
      new Cancelled("cancelled: `true` was not started"),
    );
    const reported = events.length;
    release();
    // What it still reports belongs to no deployment, and the next one is not held up.
    const next = await deployThese("web1.example.org", via.local(), eseqprops());
    assert.equal(next.status, "unchanged");
    assert.equal(events.length, reported);
    assert.equal(targets.length, 1);
  });
}
