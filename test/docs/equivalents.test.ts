import assert from "node:assert/strict";
import { test } from "node:test";
import { families } from "../../docs/_equivalents";
import * as library from "../../lib/index";
import { hops } from "../../lib/model/hop";
import { properties } from "../../lib/model/property";
import * as nouns from "../../properties";

const exported = new Map<string, object>(Object.entries({ ...nouns }));
const rows = families.flatMap((family) => family.rows);

test("what the page names is there", () => {
  const isThere = (name: string): boolean =>
    name.startsWith("via.")
      ? hops.get(name.slice(4)) !== undefined
      : properties.get(name) !== undefined || Object.hasOwn(library, name) || isExported(name);
  const isExported = (name: string): boolean => {
    const [noun = "", own = ""] = name.split(".");
    return Object.hasOwn(exported.get(noun) ?? {}, own);
  };
  assert.deepEqual(
    rows.flatMap(({ here }) => here.filter((name) => !isThere(name))),
    [],
  );
});

test("where there is nothing, the page says what to do", () => {
  assert.deepEqual(
    rows.filter(({ here, note }) => here.length === 0 && !note).map(({ purpose }) => purpose),
    [],
  );
});

test("a call that a note shows names a property that is there", () => {
  const named = rows.flatMap(({ note = "" }) => [...note.matchAll(/`([a-z][A-Za-z]*\.[A-Za-z]+)\(/g)]);
  assert.deepEqual(
    named.map(([, name = ""]) => name).filter((name) => name !== "target.run" && !properties.get(name)),
    [],
  );
});
