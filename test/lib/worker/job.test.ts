/** Properties that others apply, and what should follow a change, on a host with an agent. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqpropsUntil, onChange, seqprops } from "../../../lib/combinators";
import { session } from "../../../lib/controller/session";
import { as } from "../../../lib/nested/deploys";
import { needsMachines } from "../../support/machines";
import { outline } from "../../support/outline";
import { assertOk, type Rig, rig, said } from "../agent/_rig";

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

/** Leaves something to itself, which fails. */
export const forgets = defprop({
  name: "outer.forgets",
  kind: "posix",
  args: schema.object({ way: schema.oneOf("promise", "timer") }),
  call: (way: "promise" | "timer") => ({ way }),
  desc: () => "forgets",
  apply: async ({ way }, target) => {
    const fail = () => {
      throw new Error("of a " + way);
    };
    if (way === "timer") setTimeout(fail, 1);
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

  test("what a property applies travels with it, and is a step inside of it, at the line that says it", async () => {
    const report = await on.deploy([said("outer.writes", "hello")]);
    assertOk(report);
    assert.deepEqual(outline(report.steps), ["changed outer", "  changed content of /root/inner"]);
    assert.equal(await on.machine.run("cat /root/inner"), "hello\n");
    assert.match(report.steps[1]?.site ?? "", /^properties\/outer\.ts:11:57$/);
    assert.deepEqual(outline((await on.deploy([said("outer.writes", "hello")])).steps), [
      "unchanged outer",
      "  unchanged content of /root/inner",
    ]);
  });

  test("what is expected around a pristine worker is no failure in it", async () => {
    const report = await on.deploy([
      eseqpropsUntil(
        "FailedChange",
        as("plain", seqprops(said("probe.fails"))),
        said("probe.runs", "exit 1"),
      ),
      said("probe.runs", "true"),
    ]);
    assertOk(report);
    assert.deepEqual(outline(report.steps), [
      "skipped as plain (a step inside it was skipped)",
      "  skipped probe.fails({}) (FailedChange: on purpose)",
      "skipped exit 1 (as: FailedChange: on purpose)",
      "changed true",
    ]);
  });

  for (const way of ["promise", "timer"])
    test(`an error that nobody waited for, of a ${way}, is a failure of its own, and the work goes on`, async () => {
      const report = await on.deploy([said("outer.forgets", way), said("probe.runs", "true")]);
      assert.equal(report.status, "failed");
      assert.equal(report.failure, undefined);
      assert.deepEqual(outline(report.steps), [
        "changed forgets",
        `  failed unhandled error: Error: of a ${way}`,
        "changed true",
      ]);
      assert.match(report.failed[0]?.failure?.stack ?? "", /properties\/outer\.ts:\d+/);
    });

  test("what should have followed a change follows it in the next deployment", async () => {
    const marks = "ls /root/.local/state/consfigurator/pending";
    const whole = (script: string) => onChange(said("outer.writes", "new"), said("probe.runs", script));
    const first = await on.deploy([whole("exit 3")]);
    assert.equal(first.status, "failed");
    assert.notEqual(await on.machine.run(marks), "");
    const second = await on.deploy([whole("echo mended")]);
    assert.deepEqual(outline(second.steps), [
      "unchanged outer",
      "  unchanged content of /root/inner",
      "changed echo mended",
    ]);
    assert.equal(second.status, "changed");
    assert.equal(await on.machine.run(marks), "");
  });
});
