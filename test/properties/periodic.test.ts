import assert from "node:assert/strict";
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { unapplied } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as cmd from "../../properties/cmd";
import * as file from "../../properties/file";
import * as periodic from "../../properties/periodic";

const counted = cmd.single("echo x >>count");
const count = (dir: string): number => readFileSync(`${dir}/count`, "utf8").length / 2;
const flag = (dir: string): string => `${dir}/.local/state/consfigurator/periodic/tidy`;
/** Changes when it was done the last time, by the clock of the host. */
const doneBefore = (dir: string, seconds: number, file = flag(dir)): void => {
  const time = Math.floor(Date.now() / 1000) - seconds;
  utimesSync(file, time, time);
};

test("a period that is none is refused", () => {
  for (const period of ["fortnightly", "0 h", "90", "1 week"])
    assert.throws(() => periodic.atMost(period as periodic.Period, "tidy", counted), {
      name: "InvalidArguments",
      message: `periodic.atMost: args.period is ${JSON.stringify(period)}; it must be "eachReboot", "hourly", "daily", "weekly", "monthly", "yearly", or a time such as "36 h"`,
    });
});

test("atMost: once in a period, by the clock of the host", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    const daily = periodic.atMost("daily", "tidy", counted);
    assert.equal(await apply(daily), "changed");
    await applyAgain(daily);
    assert.equal(count(dir), 1);
    doneBefore(dir, 86_300);
    await applyAgain(daily);
    doneBefore(dir, 86_401);
    assert.equal(await apply(daily), "changed");
    assert.equal(count(dir), 2);
    // A clock that was wrong, a file that was cut.
    doneBefore(dir, -1000);
    assert.equal(await apply(daily), "changed");
    writeFileSync(flag(dir), "{");
    assert.equal(await apply(daily), "changed");
    assert.equal(count(dir), 4);
    doneBefore(dir, 7000);
    await applyAgain(periodic.atMost("2 h", "tidy", counted));
    assert.equal(await apply(periodic.atMost("90 min", "tidy", counted)), "changed");
  }));

test("atMost: other applications are applied at once; those that failed are tried again", (t) =>
  onBothTargets(t, async ({ apply, applyAgain }) => {
    await apply(periodic.atMost("yearly", "tidy", counted));
    const other = periodic.atMost("yearly", "tidy", counted, file.hasContent("f", ["1"]));
    assert.equal(await apply(other), "changed");
    await applyAgain(other);
    const failing = periodic.atMost("yearly", "tidy", cmd.single("false"));
    await assert.rejects(apply(failing), { name: "RunFailed" });
    await assert.rejects(apply(failing), { name: "RunFailed" });
  }));

test("atMost: once after each boot", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    const each = periodic.atMost("eachReboot", "tidy", counted);
    assert.equal(await apply(each), "changed");
    doneBefore(dir, 400 * 86_400);
    await applyAgain(each);
    writeFileSync(flag(dir), readFileSync(flag(dir), "utf8").replace(/"boot":"[^"]*"/, '"boot":"another"'));
    assert.equal(await apply(each), "changed");
    assert.equal(count(dir), 2);
  }));

test("atMost: unapplied, also when it is due", (t) =>
  onBothTargets(t, async ({ dir, apply, unapply }) => {
    const daily = periodic.atMost("daily", "tidy", file.existsWithContent("f", ["1"]));
    assert.equal(await apply(daily), "changed");
    doneBefore(dir, 400 * 86_400);
    assert.equal(await unapply(daily), "changed");
    assert.equal(await unapply(daily), "unchanged");
    assert.equal(await apply(daily), "changed");
  }));

test("reappliedAtMost: undone once in a period, applied always", (t) =>
  onBothTargets(t, async ({ dir, apply, applyAgain }) => {
    const work = periodic.reappliedAtMost("monthly", "tidy", file.containsLines("f", "own"));
    writeFileSync(`${dir}/f`, "other\n");
    assert.equal(await apply(work), "changed");
    await applyAgain(work);
    writeFileSync(`${dir}/f`, "own\nother\n");
    await applyAgain(work);
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "own\nother\n");
    const undone = `${dir}/.local/state/consfigurator/periodic/tidy_2C__20_undone`;
    doneBefore(dir, 31 * 86_400, undone);
    assert.equal(await apply(work), "changed");
    assert.equal(readFileSync(`${dir}/f`, "utf8"), "other\nown\n");
  }));

test("reappliedAtMost: what cannot be unapplied is refused before connecting", () => {
  assert.throws(
    () => prepare({ name: "web1.example.org" }, periodic.reappliedAtMost("monthly", "tidy", counted)),
    /cannot be unapplied/,
  );
  assert.throws(
    () => prepare({ name: "web1.example.org" }, unapplied(periodic.atMost("monthly", "tidy", counted))),
    /cannot be unapplied/,
  );
});
