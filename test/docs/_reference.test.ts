import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { argumentsTable } from "../../docs/_arguments";
import { directory, reference } from "../../docs/_reference";
import { publicProperties } from "../../lib/model/property";
import {
  absolutePath,
  either,
  hop,
  integer,
  list,
  object,
  oneOf,
  optional,
  propapp,
} from "../../lib/model/schema";
import { root } from "../../lib/util/package.js";
import { docOf } from "../../repl/docs";

describe("docs/reference", () => {
  const pages = reference();

  test("matches the sources", () => {
    const stale = [...pages].filter(([file, text]) => committed(file) !== text).map(([file]) => file);
    const obsolete = readdirSync(directory).filter((file) => !pages.has(file));
    assert.deepEqual([...stale, ...obsolete], [], "docs/reference is out of date: run npm run docs");
  });

  test("has every property, with the text that .doc shows", () => {
    const text = [...pages.values()].join("\n");
    for (const name of publicProperties()) {
      const [heading, shown] = [`\n## ${name}\n`, docOf(name, root)];
      assert.ok(text.includes(heading), `${name} is not on any page`);
      const entry = text.split(heading)[1]?.split("\n## ")[0] ?? "";
      const prose = shown?.text.split("\n\n@")[0] ?? "";
      assert.ok(
        prose && entry.includes(prose),
        `${name} has no doc comment, or a different one in the reference`,
      );
    }
  });

  test("is the same each time", () => {
    assert.deepEqual([...reference()], [...pages]);
  });
});

const committed = (file: string): string | undefined => {
  try {
    return readFileSync(path.join(directory, file), "utf8");
  } catch {
    return undefined;
  }
};

test("the argument table lists types and constraints", () => {
  const schema = object({
    path: absolutePath(),
    pairs: list(list(oneOf("a", "b"), { minItems: 2, maxItems: 2 }), { minItems: 1 }),
    size: optional(integer({ minimum: 1, maximum: 9 })),
    via: either(hop(), object({ inner: propapp() })),
  });
  assert.equal(
    argumentsTable(schema),
    `| argument | | allowed |
| --- | --- | --- |
| \`path\` | \`string\` | an absolute path on the host |
| \`pairs\` | \`("a" \\| "b")[][]\` | at least 1 item; each exactly 2 items |
| \`size\`, optional | \`number\` | minimum 1; maximum 9 |
| \`via\` | \`Hop \\| { inner: object }\` | a hop, such as via.ssh({ user: "root" }), or \`inner\`: a property, such as cmd.single("true") |`,
  );
  assert.equal(argumentsTable(object({})), undefined);
});
