import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { eseqprops, seqprops, within } from "../../../lib/combinators";
import { FailedChange, InvalidArguments } from "../../../lib/model/errors";
import { defprop } from "../../../lib/model/property";
import { object, string } from "../../../lib/model/schema";
import { applied } from "../../support/applying";
import { promised } from "../../support/load";
import * as toy from "../../support/toy";

let dir: string;
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "time-"));
});
after(() => rmSync(dir, { recursive: true, force: true }));

const runs = defprop({
  name: "_time.runs",
  kind: "posix",
  args: object({ script: string() }),
  call: (script: string) => ({ script }),
  apply: async ({ script }, target) => {
    await target.run(script);
    return "changed";
  },
  unapply: async ({ script }, target) => {
    await target.run(script);
    return "changed";
  },
});

const neverSettles = defprop({
  name: "_time.neverSettles",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  apply: () => new Promise(() => {}),
});

test("within the limit it is as eseqprops", async () => {
  const { change, failed } = await applied(within("10 s", toy.changes("a"), toy.rests("b")));
  assert.deepEqual([change, failed], ["changed", false]);
});

for (const [how, script] of [
  ["a command", "sleep 30"],
  ["a command that ignores SIGTERM", "trap '' TERM; sleep 31; sleep 32; sleep 33"],
] as const) {
  test(`${how} that takes longer is ended, on both targets`, (t) =>
    onBothTargets(t, async ({ apply }) => {
      const inTime = promised(6, "the end of a command after its limit");
      await assert.rejects(
        apply(within("1 s", runs(script), runs("touch late"))),
        new FailedChange("did not finish within 1 s; it was ended"),
      );
      inTime();
    }));
}

test("a step that never settles fails, and what follows goes on", async () => {
  const { steps, done } = await applied(
    seqprops(within("1 s", eseqprops(neverSettles(), toy.changes("never"))), toy.changes("after")),
  );
  assert.ok(
    steps.some((step) => step.includes("FailedChange: did not finish within 1 s; it was ended")),
    String(steps),
  );
  assert.deepEqual(done, ["after"]);
});

test("a limit that is not a time is refused", () => {
  assert.throws(
    () => within("10 minutes", toy.changes("a")),
    (error: Error) => {
      assert.ok(error instanceof InvalidArguments);
      assert.match(error.message, /a time, such as "90 s", "10 min" or "2 h"/);
      return true;
    },
  );
});
