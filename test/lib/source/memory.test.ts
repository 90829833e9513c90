import assert from "node:assert/strict";
import { test } from "node:test";
import { heapInUse } from "../../support/heap";
import { propertyFile, workspace } from "./_workspace";

test("a thousand reloads, each with a manifest, do not grow the heap", async (t) => {
  const others = Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [`properties/other${i}.ts`, propertyFile(`other${i}.one`)]),
  );
  const { consfig, write } = workspace(t, {
    ...others,
    "hosts/a.ts":
      'import { defhost } from "consfigurator";\nimport { is } from "../properties/p";\nexport const a = defhost("a.example.com", is());\n',
    "properties/p.ts": propertyFile("p.is"),
  });
  const reload = (i: number): void => {
    // Alternates between a few contents, so that the reload is measured and not the compiler.
    const name = i % 2 === 0 ? "p" : `other${i % 10}`;
    const file =
      name === "p"
        ? propertyFile("p.is", `answer ${i % 4}`)
        : propertyFile(`${name}.one`, `answer ${i % 20}`);
    write({
      [`properties/${name}.ts`]: `${file}export const ballast = "${"x".repeat(20_000)}".split("");\n`,
    });
    const { error, loaded } = consfig.refresh();
    assert.equal(error, undefined);
    assert.ok(loaded.length > 0);
    consfig.manifest(["p.is", "other1.one"]);
  };
  for (let i = 0; i < 200; i++) reload(i);
  const before = await heapInUse();
  for (let i = 200; i < 1200; i++) reload(i);
  const grown = (await heapInUse()) - before;
  assert.ok(grown < 5, `grew by ${grown.toFixed(1)} MB`);
});
