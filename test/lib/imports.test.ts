/** Which file of the engine imports which. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

const root = path.join(__dirname, "../../lib");
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) =>
  /(?<!\.d)\.ts$/.test(file),
);

type Graph = ReadonlyMap<string, readonly string[]>;
const withTypes: Graph = new Map(files.map((file) => [file, importsOf(file, /^(?:import|export)\b/)]));
const withoutTypes: Graph = new Map(
  files.map((file) => [file, importsOf(file, /^(?:import|export)\b(?! type\b)/)]),
);

/** Paths below lib/. What is loaded only when it is needed, with `require` or `import()`, is no import here. */
function importsOf(file: string, statement: RegExp): string[] {
  const text = readFileSync(path.join(root, file), "utf8");
  return [...text.matchAll(new RegExp(`${statement.source}[^;"]*?"(\\.[^"]+)";`, "gm"))]
    .map(([, specifier = ""]) => `${path.join(path.dirname(file), specifier)}.ts`)
    .filter((imported) => files.includes(imported));
}

/** The shortest way on which `start` imports itself. */
function circle(start: string, graph: Graph): string | undefined {
  const ways = new Map<string, string>([[start, start]]);
  for (const [file, way] of ways) {
    for (const imported of graph.get(file) ?? []) {
      if (imported === start) return `${way} → ${start}`;
      if (!ways.has(imported)) ways.set(imported, `${way} → ${imported}`);
    }
  }
  return undefined;
}

const circles = (among: readonly string[], graph: Graph): string[] =>
  among.map((file) => circle(file, graph)).filter((found) => found !== undefined);

test("the graph has been read", () => {
  assert.ok(withTypes.get("session.ts")?.includes("words.ts"));
  assert.ok(withoutTypes.get("deploy.ts")?.includes("host-run.ts"));
  assert.equal(withoutTypes.get("session.ts")?.includes("words.ts"), false);
});

test("nothing imports itself, by whatever way", () => {
  assert.deepEqual(circles(files, withoutTypes), []);
});

test("nor do types", () => {
  assert.deepEqual(circles(files, withTypes), []);
});
