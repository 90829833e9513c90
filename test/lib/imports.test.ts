/** Who imports whom: the rooms of docs/_rooms.ts, private files, circles, and that each file of lib/ is tested somewhere. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { type Room, roomOf, rooms, withRoomsTable } from "../../docs/_rooms";
import { root } from "../../lib/util/package";
import { exports as ownExports, name as ownName } from "../../package.json";
import { testedIn, testOf } from "./tested-in";

const files = globSync("{lib,properties,repl,hosts}/**/*.{ts,tsx,js}", { cwd: root })
  .filter((file) => !file.endsWith(".d.ts"))
  .sort();

interface Import {
  readonly file: string;
  /** True: erased by the compiler. */
  readonly type: boolean;
}

type Graph = ReadonlyMap<string, readonly Import[]>;
const graph: Graph = new Map(files.map((file) => [file, importsOf(file)]));

/** Every import of `file`: static or not, of values or types, also by `require`, `import()` and `import("…").Type`. */
function importsOf(file: string): Import[] {
  // Sources in template literals are no imports of the file that holds them.
  const text = readFileSync(path.join(root, file), "utf8").replace(/`(?:\\.|[^`\\])*`/gs, "``");
  const statements = [
    ...text.matchAll(/^(?:import|export)( type)?\b[^;"]*?"([^"]+)";|^import()"([^"]+)";/gm),
    ...text.matchAll(/(typeof )?\b(?:import|require)\("([^"]+)"\)/g),
  ];
  return statements.flatMap(([, type, specifier = ""]) => {
    const imported = resolved(specifier, file);
    return imported === undefined ? [] : [{ file: imported, type: type !== undefined }];
  });
}

function resolved(specifier: string, file: string): string | undefined {
  const own = specifier.startsWith(ownName) ? `.${specifier.slice(ownName.length)}` : undefined;
  if (own !== undefined) return (ownExports as Record<string, string>)[own]?.replace(/^\.\//, "");
  if (!specifier.startsWith(".")) return undefined;
  const base = path.join(path.dirname(file), specifier);
  const found = [base, `${base}.ts`, `${base}.tsx`, `${base}.js`, `${base}/index.ts`].find((each) =>
    files.includes(each),
  );
  return found ?? files.find((each) => each === base.replace(/\.js$/, ".ts"));
}

/** The shortest chain of imports by which `start` imports itself. */
function circle(start: string, withTypes: boolean): string | undefined {
  const chains = new Map<string, string>([[start, start]]);
  for (const [file, chain] of chains) {
    for (const { file: imported, type } of graph.get(file) ?? []) {
      if (type && !withTypes) continue;
      if (imported === start) return `${chain} → ${start}`;
      if (!chains.has(imported)) chains.set(imported, `${chain} → ${imported}`);
    }
  }
  return undefined;
}

test("the graph was read", () => {
  const imports = (file: string, imported: string) =>
    graph.get(file)?.find((each) => each.file === imported)?.type;
  assert.equal(imports("lib/controller/session.ts", "lib/model/types.ts"), true);
  assert.equal(imports("lib/controller/deploy.ts", "lib/controller/deployment.ts"), false);
  assert.equal(imports("lib/executable/image.ts", "lib/executable/_reapply.ts"), false, "import()");
  assert.equal(imports("properties/cron.ts", "lib/index.ts"), false, "by the package's own name");
});

test("every file is in a room", () => {
  const homeless = files.filter((file) => !roomOf(file));
  assert.deepEqual(homeless, []);
});

describe("a room imports only what it may", () => {
  for (const room of rooms) {
    test(room.path, () => {
      assert.deepEqual(
        files.filter((file) => roomOf(file) === room).flatMap((file) => forbidden(file, room)),
        [],
      );
    });
  }
});

const forbidden = (file: string, room: Room): string[] =>
  (graph.get(file) ?? []).flatMap(({ file: imported }) => {
    const other = roomOf(imported);
    if (!other || other === room || room.mayImport.includes(other.path)) return [];
    return [`${file} imports ${imported}`];
  });

test("a file that begins with _ is imported by its own room only", () => {
  const found = [...graph].flatMap(([file, imports]) =>
    imports
      .filter(
        ({ file: imported }) => path.basename(imported).startsWith("_") && roomOf(imported) !== roomOf(file),
      )
      .map(({ file: imported }) => `${file} imports ${imported}`),
  );
  assert.deepEqual(found, []);
});

test("no file imports itself, directly or not, not even its types", () => {
  const circles = files.map((file) => circle(file, true)).filter((found) => found !== undefined);
  assert.deepEqual(circles, []);
});

test("a room imports only rooms that come before it in the list", () => {
  const order = new Map(rooms.map(({ path: place }, index) => [place, index]));
  const backwards = rooms.flatMap(({ path: place, mayImport }) =>
    mayImport
      .filter((each) => (order.get(each) ?? Number.POSITIVE_INFINITY) >= (order.get(place) ?? 0))
      .map((each) => `${place} → ${each}`),
  );
  assert.deepEqual(backwards, []);
});

test("docs/architecture.md has the table of the rooms", () => {
  const page = readFileSync(path.join(root, "docs/architecture.md"), "utf8");
  assert.equal(page, withRoomsTable(page), "docs/architecture.md is out of date: run npm run docs");
  assert.match(page, /\| `lib\/util\/` /);
});

describe("each file of lib/ has a test at its path, or says where it is tested", () => {
  const own = (file: string) =>
    [file, file.replace(/(^|\/)_([^/]+)$/, "$1$2")]
      .map((each) => `test/${each.replace(/\.(ts|js)$/, "")}.test.ts`)
      .find((each) => existsSync(path.join(root, each)));

  const places = files.filter((file) => file.startsWith("lib/"));

  test("every file", () => {
    assert.deepEqual(
      places.filter((file) => !own(file) && testOf(file) === undefined),
      [],
    );
  });

  test("the rows of the table are of files that exist, and of tests that exist", () => {
    const wrong = Object.entries(testedIn).filter(
      ([row, place]) =>
        !places.some((file) => (row.endsWith("/") ? file.startsWith(row) : file === row && !own(file))) ||
        !existsSync(path.join(root, place)),
    );
    assert.deepEqual(wrong, []);
  });
});
