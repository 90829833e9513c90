import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { type FileAspect, withChangeIfChangesFiles } from "../../../lib/target/changed-files";

describe("withChangeIfChangesFiles", () => {
  const cases: [
    name: string,
    act: (file: string) => unknown,
    aspect: FileAspect | undefined,
    came: string,
  ][] = [
    ["nothing was done", () => {}, undefined, "unchanged"],
    [
      "it says that nothing was changed",
      (file) => {
        writeFileSync(file, "new\n");
        return "unchanged";
      },
      undefined,
      "unchanged",
    ],
    ["it says that something was changed, and nothing was", () => "changed", undefined, "unchanged"],
    ["other bytes, of the same length and time", (file) => rewrite(file, "two\n"), undefined, "changed"],
    [
      "the same bytes, written anew",
      (file) => {
        writeFileSync(file, "one\n");
        utimesSync(file, 5, 5);
      },
      undefined,
      "changed",
    ],
    [
      "the same bytes, where only these count",
      (file) => {
        utimesSync(file, 5, 5);
        chmodSync(file, 0o600);
      },
      "content",
      "unchanged",
    ],
    ["other bytes, where only these count", (file) => rewrite(file, "two\n"), "content", "changed"],
    ["another mode", (file) => chmodSync(file, 0o600), undefined, "changed"],
    ["another mode, where it counts", (file) => chmodSync(file, 0o600), "content and mode", "changed"],
    [
      "another time, where it does not count",
      (file) => utimesSync(file, 5, 5),
      "content and mode",
      "unchanged",
    ],
    ["it is gone", (file) => rmSync(file), undefined, "changed"],
  ];
  for (const [name, act, aspect, came] of cases) {
    test(name, (t) =>
      onBothTargets(t, async ({ dir, target }) => {
        const file = path.join(dir, "it's");
        rewrite(file, "one\n");
        symlinkSync("it's", path.join(dir, "link"));
        const doing = async () => act(file);
        assert.equal(await withChangeIfChangesFiles(target, "link", doing, aspect), came);
      }),
    );
  }

  test("of several files one is enough, and one that was not there before", (t) =>
    onBothTargets(t, async ({ dir, target }) => {
      const [one, two] = ["-one", "two"].map((name) => path.join(dir, name));
      for (const file of [one ?? "", two ?? ""]) rewrite(file, "one\n");
      const act = async () => rewrite(two ?? "", "two\n");
      assert.equal(await withChangeIfChangesFiles(target, ["-one", "two"], act), "changed");
      assert.equal(await withChangeIfChangesFiles(target, ["-one"], act), "unchanged");
      assert.equal(await withChangeIfChangesFiles(target, ["-one", "three"], act), "changed");
    }));

  test("of a directory what it is counts, not what is in it", (t) =>
    onBothTargets(t, async ({ dir, target }) => {
      const sub = path.join(dir, "sub");
      mkdirSync(sub);
      writeFileSync(path.join(sub, "a"), "one\n");
      const act = async () => rewrite(path.join(sub, "a"), "two\n");
      assert.equal(await withChangeIfChangesFiles(target, sub, act), "unchanged");
    }));

  test("what cannot be read is a failure", (t) =>
    onBothTargets(t, ({ target }) =>
      assert.rejects(
        withChangeIfChangesFiles(target, "/proc/self/mem", async () => {}),
        /^FailedChange: cannot read \/proc\/self\/mem: /,
      ),
    ));
});

/** Without a trace in its time. */
function rewrite(file: string, text: string): void {
  writeFileSync(file, text);
  utimesSync(file, 1_700_000_000, 1_700_000_000);
}
