import assert from "node:assert/strict";
import { test } from "node:test";
import { PlannedHost } from "../../../../lib/target/planning/host";

const by = (step: number) => ({ step, certain: true });
const directory = { type: "directory", mode: 0o755, uid: 0, gid: 0 } as const;

test("the names in a directory depend on what may add or remove one there", () => {
  const host = new PlannedHost();
  host.disturb({ paths: ["/srv/new"] }, by(1));
  host.disturb({ paths: ["/srv/deep/new"] }, by(2));
  host.disturb({ additions: true }, by(3));
  const steps = (place: string) => host.changingNames(place, undefined).map(({ step }) => step);
  assert.deepEqual(steps("/srv"), [1, 3]);
  assert.deepEqual(steps("/srv/deep"), [2, 3]);
  assert.deepEqual(steps("/etc"), [3]);
});

test("in a new directory is what is planned there, whatever a package brings", () => {
  const host = new PlannedHost();
  host.disturb(undefined, by(1));
  host.put("/srv", { ...directory, fresh: true }, by(2));
  const { entry } = host.tree.at("/srv");
  host.disturb({ additions: true }, by(2));
  assert.deepEqual(host.changingNames("/srv", entry), []);
  host.disturb({ paths: ["/srv/new"] }, by(3));
  assert.deepEqual(
    host.changingNames("/srv", entry).map(({ step }) => step),
    [3],
  );
});

test("what was planned elsewhere is planned here, in the same order", () => {
  const host = new PlannedHost();
  host.put("/a", { ...directory, fresh: true }, by(1));
  host.disturb({ units: true }, by(2));
  host.answer("true", { exit: 0, stdout: "", stderr: "" }, {}, by(3));
  const other = new PlannedHost();
  other.include(host.acts);
  assert.deepEqual(other.acts, host.acts);
  assert.equal(other.tree.at("/a").entry?.step, 1);
  assert.deepEqual(other.answerTo("true")?.dependsOn, []);
});
