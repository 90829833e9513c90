/**
 * Every property of the library is planned twice: once where it could write, and once where it cannot. A question that
 * writes would get another answer.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { seqprops } from "../../lib/combinators";
import * as library from "../../lib/index";
import type { PropApp } from "../../lib/model/property";
import * as properties from "../../properties";
import { file } from "../../properties";
import { needsMachines } from "../support/machines";
import { bootSides, type Side, type Sides } from "../support/sides";

/** The calls that the doc comments of the properties show. */
function examples(): [code: string, application: PropApp][] {
  const scope = { ...library, ...properties };
  const directory = path.join(__dirname, "../../properties");
  return readdirSync(directory)
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => [
      ...readFileSync(path.join(directory, name), "utf8").matchAll(
        /^ \* @example ([^@]*?)(?=\n \*\/|\n \* @|\n \*$)/gm,
      ),
    ])
    .map(([, text = ""]) => text.replace(/^ \* ?/gm, ""))
    .flatMap((code) => {
      // Only what is said in one expression, about nothing that is defined elsewhere.
      const called = new Function(...Object.keys(scope), `return (${code})`);
      const value = orNothing(() => called(...Object.values(scope)));
      return isApplication(value) ? [[code, value] as [string, PropApp]] : [];
    });
}

/** Undefined when `make` names what its example does not define, such as a host. */
function orNothing(make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

/** How many examples are planned in one go: each of another group of properties, so that none hides what another asks. */
const TOGETHER = 8;

type Example = readonly [code: string, application: PropApp];

/** `examples`, in parts of as many as are planned together. */
function parts(examples: readonly Example[]): Example[][] {
  const count = Math.ceil(examples.length / TOGETHER);
  return Array.from({ length: count }, (_, n) => examples.filter((_, index) => index % count === n));
}

/** What the plan of `application` says of each step; "refused" for a property that does not fit the host of these tests. */
async function stepsOf(side: Side, application: PropApp): Promise<unknown> {
  try {
    return (await side.plan(application)).steps;
  } catch (error) {
    if (error instanceof library.InapplicableProperty || (error as Error).name === "Refused")
      return "refused";
    throw error;
  }
}

const isApplication = (value: unknown): value is PropApp =>
  typeof value === "object" && value !== null && "property" in value && "args" in value;

describe("questions write nothing", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  for (const [index, kind] of (["agent", "posix"] as const).entries()) {
    const name = `each property of the library has the same plan where every file system is read-only, on ${kind}`;
    // apt-get reads all of its lists for each simulation there, as it cannot write its cache.
    test(name, { timeout: 15 * 60_000 }, async () => {
      const all = examples();
      assert.ok(all.length > 60, `${all.length} examples`);
      const [writable, readOnly] = [sides.each[index], sides.readOnly[index]];
      assert.ok(writable && readOnly);
      const refused: string[] = [];
      /** Plans `some` together; one of them that is refused is found by dividing them. */
      const compare = async (some: readonly Example[]): Promise<void> => {
        const application = seqprops(...some.map(([, each]) => each));
        const [expected, actual] = await Promise.all([
          stepsOf(writable, application),
          stepsOf(readOnly, application),
        ]);
        const codes = some.map(([code]) => code);
        assert.deepEqual(actual, expected, codes.join("\n"));
        if (expected !== "refused") return;
        if (some.length === 1) return void refused.push(...codes);
        const half = Math.ceil(some.length / 2);
        await compare(some.slice(0, half));
        await compare(some.slice(half));
      };
      for (const some of parts(all)) await compare(some);
      assert.ok(refused.length < all.length / 3, `refused before anything was asked: ${refused.join("\n")}`);
    });
  }

  test("an act there fails", async () => {
    for (const side of sides.readOnly) {
      const { failures } = await side.apply(file.hasContent("/etc/read-only", ["x"]));
      assert.match(failures[0]?.message ?? "", /read-only file system/, side.kind);
    }
  });
});
