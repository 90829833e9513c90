import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { workspace } from "./_workspace";

test("an import from the prompt is live, and the same module that the consfig imports", (t) => {
  const { consfig, root, write, remove } = workspace(t, {
    "hosts/a.ts": 'export { shared } from "../shared";\n',
    "shared.ts": "export const shared = { n: 1 };\n",
    "note.ts": 'import { deep } from "./deep";\nexport const note = `note ${deep}`;\n',
    "deep.ts": "export const deep = 1;\n",
  });
  const from = path.join(root, "prompt");
  const note = () => (consfig.import("./note", from) as { note: string }).note;
  consfig.refresh();
  assert.equal(note(), "note 1");
  assert.deepEqual(Object.keys(consfig.scope()), ["shared"], "an import alone adds nothing to the scope");
  assert.equal(
    (consfig.import("./shared", from) as Record<string, unknown>)["shared"],
    consfig.scope()["shared"],
  );
  write({ "deep.ts": "export const deep = 22;\n" });
  assert.deepEqual(consfig.refresh().loaded, ["deep.ts", "note.ts"]);
  assert.equal(note(), "note 22");
  write({ "wrong.ts": "export const n = missing;\n" });
  assert.throws(() => consfig.import("./wrong", from), {
    name: "ConsfigLoadError",
    message: /^wrong\.ts:1:18: ReferenceError: missing is not defined/,
  });
  assert.equal(consfig.refresh().error, undefined, "a failed import does not break the consfig");
  assert.throws(() => consfig.import("./notee", from), {
    message: "prompt: cannot find './notee'; did you mean './note'?",
  });
  remove("note.ts");
  assert.deepEqual(consfig.refresh().removed.toSorted(), ["deep.ts", "note.ts"]);
});

test("decorators mean what tsconfig.json says, and import.meta is that of the file", (t) => {
  const decorated = `function mark(...args: unknown[]): void {
  seen.push(args.length);
}
export const seen: number[] = [];
class Marked {
  @mark
  act(): void {}
}
export const used = Marked;
`;
  const { consfig, root, write } = workspace(t, {
    "hosts/a.ts": decorated,
    "hosts/b.ts":
      "export const [dir, file, url] = [import.meta.dirname, import.meta.filename, import.meta.url];\n",
  });
  const names = () => {
    assert.equal(consfig.refresh().error, undefined);
    return consfig.scope();
  };
  assert.deepEqual(names()["seen"], [2], "standard: a value and its context");
  const { dir, file, url } = names();
  const hosts = path.join(root, "hosts");
  assert.deepEqual([dir, file, url], [hosts, path.join(hosts, "b.ts"), `file://${hosts}/b.ts`]);
  write({
    "base.json": '{ "compilerOptions": { "experimentalDecorators": true } }',
    "tsconfig.json": '{ "extends": "./base" }',
    "hosts/a.ts": `${decorated}\n`,
  });
  assert.deepEqual(names()["seen"], [3], "legacy: a prototype, a key and a descriptor");
});
