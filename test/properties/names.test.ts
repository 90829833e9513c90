import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { type AnyDefinition, properties, publicProperties } from "../../lib/model/property";
import * as modules from "../../properties";

const directory = path.join(__dirname, "../../properties");
const nouns = readdirSync(directory)
  .filter((name) => /^[a-z]\w*\.ts$/.test(name) && name !== "index.ts")
  .map((name) => name.slice(0, -3));

const definitions = Object.entries(modules as Record<string, object>).flatMap(([module, exports]) =>
  Object.entries(exports).flatMap(([name, value]) =>
    typeof value === "function" && "definition" in value
      ? [[`${module}.${name}`, value.definition as AnyDefinition] as const]
      : [],
  ),
);

test("the index lists every file, sorted", () => {
  assert.deepEqual(Object.keys(modules), nouns.sort());
  const lines = nouns.map((noun) => `export * as ${noun} from "./${noun}";\n`).join("");
  assert.equal(readFileSync(path.join(directory, "index.ts"), "utf8"), lines);
});

test("every property is named by its module and its export", () => {
  assert.deepEqual(
    definitions.map(([name]) => name),
    definitions.map(([, definition]) => definition.name),
  );
  const named = new Set<string>(definitions.map(([name]) => name));
  const own = publicProperties().filter((name) => name.includes("."));
  assert.deepEqual(
    own.filter((name) => !named.has(name)),
    [],
    "defined but not exported",
  );
});

test("every property has a description", () => {
  const without = definitions.filter(([, { desc }]) => desc === undefined).map(([name]) => name);
  assert.deepEqual(without, []);
});

test("every property has a doc comment with an example right above it", () => {
  const without = definitions.filter(([name]) => !documented(name)).map(([name]) => name);
  assert.deepEqual(without, []);
});

test("every property declares facts, has parts, or applies or unapplies something", () => {
  const empty = definitions.filter(
    ([, { hostattrs, parts, apply, unapply }]) => !(hostattrs || parts || apply || unapply),
  );
  assert.deepEqual(empty, []);
});

/** Whether the comment right above the definition of `name` has an example that uses it. */
function documented(name: string): boolean {
  const site = properties.siteOf(name);
  assert.ok(site, name);
  const source = readFileSync(site.file, "utf8");
  const exported = name.split(".")[1] ?? "";
  const found = new RegExp(
    `/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*(?:export )?const \\w+ = (?:defprop|defproplist)(?:<[^(]*>)?\\(\\{\\s*name: "${name.replace(".", "\\.")}"`,
  ).exec(source);
  const comment = found?.[1] ?? "";
  return comment.includes("@example") && comment.split("@example").slice(1).join().includes(exported);
}
