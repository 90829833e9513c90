/** Nested properties, and follow-ups of a change, on a host with an agent. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqpropsUntil, onChange, seqprops } from "../../../lib/combinators";
import { session } from "../../../lib/controller/session";
import { as } from "../../../lib/nested/deploys";
import { needsMachines } from "../../support/machines";
import { outline } from "../../support/outline";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";

const outer = `import { defprop, schema } from "consfigurator";
import { file } from "consfigurator/properties";

/** Applies another property. */
export const writes = defprop({
  name: "outer.writes",
  kind: "posix",
  args: schema.object({ text: schema.line() }),
  call: (text: string) => ({ text }),
  desc: () => "outer",
  apply: ({ text }, _target, steps) => steps.apply(file.hasContent("/root/inner", text)),
});

/** Causes an unhandled error. */
export const forgets = defprop({
  name: "outer.forgets",
  kind: "posix",
  args: schema.object({ from: schema.oneOf("promise", "timer") }),
  call: (from: "promise" | "timer") => ({ from }),
  desc: () => "forgets",
  apply: async ({ from }, target) => {
    const fail = () => {
      throw new Error("from a " + from);
    };
    if (from === "timer") setTimeout(fail, 1);
    else void target.identity().then(fail);
    await target.run("sleep 0.2");
    return "changed";
  },
});
`;

describe("on a host with an agent", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    on.write({ "properties/outer.ts": outer });
    session.consfig?.refresh();
  });
  after(() => on?.stop());

  test("a property applied by another is sent with it, and is a nested step with its own line", async () => {
    const report = await on.deploy([prop("outer.writes", "hello")]);
    assertOk(report);
    assert.deepEqual(outline(report.steps), ["changed outer", "  changed content of /root/inner"]);
    assert.equal(await on.machine.run("cat /root/inner"), "hello\n");
    assert.match(report.steps[1]?.site ?? "", /^properties\/outer\.ts:11:57$/);
    assert.deepEqual(outline((await on.deploy([prop("outer.writes", "hello")])).steps), [
      "unchanged outer",
      "  unchanged content of /root/inner",
    ]);
  });

  test("an expected error in a pristine worker is not a failure", async () => {
    const report = await on.deploy([
      eseqpropsUntil(
        "FailedChange",
        as("plain", seqprops(prop("probe.fails"))),
        prop("probe.runs", "exit 1"),
      ),
      prop("probe.runs", "true"),
    ]);
    assertOk(report);
    assert.deepEqual(outline(report.steps), [
      "skipped as plain (a step inside it was skipped)",
      "  skipped probe.fails({}) (FailedChange: on purpose)",
      "skipped exit 1 (as: FailedChange: on purpose)",
      "changed true",
    ]);
  });

  for (const from of ["promise", "timer"])
    test(`an unhandled error from a ${from} is reported as a failure, and the deployment continues`, async () => {
      const report = await on.deploy([prop("outer.forgets", from), prop("probe.runs", "true")]);
      assert.equal(report.status, "failed");
      assert.equal(report.failure, undefined);
      assert.deepEqual(outline(report.steps), [
        "changed forgets",
        `  failed unhandled error: Error: from a ${from}`,
        "changed true",
      ]);
      assert.match(report.failed[0]?.failure?.stack ?? "", /properties\/outer\.ts:\d+/);
    });

  test("the missed follow-up of a change is done in the next deployment", async () => {
    const pending = "ls /root/.local/state/consfigurator/pending";
    const withFollowUp = (script: string) =>
      onChange(prop("outer.writes", "new"), prop("probe.runs", script));
    const first = await on.deploy([withFollowUp("exit 3")]);
    assert.equal(first.status, "failed");
    assert.notEqual(await on.machine.run(pending), "");
    const second = await on.deploy([withFollowUp("echo fixed")]);
    assert.deepEqual(outline(second.steps), [
      "unchanged outer",
      "  unchanged content of /root/inner",
      "changed echo fixed",
    ]);
    assert.equal(second.status, "changed");
    assert.equal(await on.machine.run(pending), "");
  });
});
