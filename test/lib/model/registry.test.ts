import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConsfigError } from "../../../lib/model/errors";
import { DuplicateName, definedBy, Registry } from "../../../lib/model/registry";
import { Site } from "../../../lib/model/site";
import { similar } from "../../../lib/util/similar";

const at = (file: string, line = 1) => new Site(file, line, 3);
const numbers = (...names: string[]) => {
  const registry = new Registry<number>("number");
  for (const [index, name] of names.entries()) registry.define(name, index, at(`/consfig/${name}.ts`));
  return registry;
};

describe("two definitions of one name", () => {
  test("are refused in two files, naming both locations", () => {
    const registry = numbers("one");
    assert.throws(
      () => registry.define("one", 2, at("/consfig/other.ts", 7)),
      (error) =>
        error instanceof DuplicateName &&
        error instanceof ConsfigError &&
        error.message ===
          'the number "one" is defined twice: at /consfig/one.ts:1:3 and at /consfig/other.ts:7:3; give one of them another name',
    );
    assert.equal(registry.get("one"), 0, "the first stays");
  });

  test("a reloaded file replaces its definitions, also at another line", () => {
    const registry = numbers("one");
    registry.define("one", 10, at("/consfig/one.ts", 5));
    assert.equal(registry.get("one"), 10);
    assert.equal(String(registry.siteOf("one")), "/consfig/one.ts:5:3");
  });

  test("the prompt replaces any definition, and a file replaces those of the prompt", () => {
    const registry = numbers("one");
    registry.define("one", 10, at("prompt://4"));
    assert.equal(registry.get("one"), 10);
    assert.equal(String(registry.siteOf("one")), "prompt[4]:1:3");
    registry.define("one", 20, at("/consfig/other.ts"));
    assert.equal(registry.get("one"), 20);
  });

  test("a definition made by a helper in another file belongs to the evaluated file", () => {
    const registry = numbers();
    const helper = at("/consfig/helper.ts");
    definedBy("/consfig/a.ts", () => registry.define("one", 1, helper));
    assert.equal(registry.fileOf("one"), "/consfig/a.ts");
    assert.equal(String(registry.siteOf("one")), "/consfig/helper.ts:1:3");
    assert.throws(
      () => definedBy("/consfig/b.ts", () => registry.define("one", 2, helper)),
      new DuplicateName(
        'the number "one" is defined twice: at /consfig/helper.ts:1:3 and at /consfig/helper.ts:1:3; give one of them another name',
      ),
    );
  });

  test("a nested evaluation restores the outer file, also when it throws", () => {
    const registry = numbers();
    definedBy("/consfig/outer.ts", () => {
      assert.throws(() =>
        definedBy("/consfig/inner.ts", () => {
          throw new Error("syntax");
        }),
      );
      registry.define("one", 1, at("/consfig/x.ts"));
    });
    assert.equal(registry.fileOf("one"), "/consfig/outer.ts");
    registry.define("two", 2, at("/consfig/y.ts"));
    assert.equal(registry.fileOf("two"), "/consfig/y.ts");
  });
});

test("names are sorted, values are in order of definition", () => {
  const registry = numbers("b", "c", "a");
  assert.deepEqual(registry.names(), ["a", "b", "c"]);
  assert.deepEqual(registry.values(), [0, 1, 2]);
  assert.equal(registry.get("d"), undefined);
  assert.equal(registry.siteOf("d"), undefined);
  assert.equal(registry.fileOf("d"), undefined);
});

test("forget removes the definitions of the given files only", () => {
  const registry = numbers("a", "b", "c");
  registry.forget(new Set(["/consfig/a.ts", "/consfig/c.ts", "/consfig/none.ts"]));
  assert.deepEqual(registry.names(), ["b"]);
  registry.define("a", 9, at("/consfig/elsewhere.ts"));
  assert.equal(registry.get("a"), 9);
});

test("restore returns to a snapshot, any number of times", () => {
  const registry = numbers("a", "b");
  const before = registry.snapshot();
  for (const _ of [1, 2]) {
    registry.forget(new Set(["/consfig/a.ts"]));
    registry.define("b", 9, at("/consfig/b.ts"));
    registry.define("c", 9, at("/consfig/c.ts"));
    registry.restore(before);
    assert.deepEqual(
      registry.names().map((name) => [name, registry.get(name)]),
      [
        ["a", 0],
        ["b", 1],
      ],
    );
  }
});

describe("similar names, nearest first", () => {
  const names = ["apt.installed", "apt.updated", "file.containsLines", "file.lacksLines", "os.debianStable"];
  const cases: [wanted: string, near: string[]][] = [
    ["apt.instaled", ["apt.installed"]],
    ["apt.upated", ["apt.updated"]],
    ["file.containLines", ["file.containsLines"]],
    // What is much further off is none of them.
    ["file.containsLines", ["file.containsLines"]],
    ["nothing.likeIt", []],
    ["", []],
  ];
  for (const [wanted, near] of cases) {
    test(`"${wanted}"`, () => assert.deepEqual(similar(names, wanted), near));
  }

  test("at most three", () => {
    assert.deepEqual(similar(["aa", "ab", "ac", "ad", "ae"], "a"), ["aa", "ab", "ac"]);
    assert.deepEqual(numbers("aa", "ab").similar("ac"), ["aa", "ab"]);
  });
});
