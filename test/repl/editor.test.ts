import assert from "node:assert/strict";
import test from "node:test";
import { editorAt, placeOf } from "../../repl/editor";

const place = { file: "/c/hosts/a.ts", line: 7, column: 3 };

test("each editor is told the line in its own way", () => {
  const cases: [env: NodeJS.ProcessEnv, command: string][] = [
    [{ EDITOR: "vi" }, "vi +7 /c/hosts/a.ts"],
    [{ EDITOR: "vi", VISUAL: "nano -w" }, "nano -w +7,3 /c/hosts/a.ts"],
    [{ EDITOR: "/usr/bin/code" }, "/usr/bin/code --wait --goto /c/hosts/a.ts:7:3"],
    [{ EDITOR: "hx" }, "hx /c/hosts/a.ts:7:3"],
    [{ EDITOR: "emacsclient -t" }, "emacsclient -t +7:3 /c/hosts/a.ts"],
  ];
  for (const [env, command] of cases) assert.equal(editorAt(place, env)?.join(" "), command);
  assert.equal(editorAt(place, { PATH: "/nowhere" }), undefined);
});

test("a site is a place, unless it was typed at the prompt or is the engine's", () => {
  assert.deepEqual(placeOf("hosts/a.ts:7:3", "/c"), place);
  for (const site of ["prompt[3]:1:1", "stdin:2:1", "consfigurator/lib/engine/apply.ts:1:1", ""])
    assert.equal(placeOf(site, "/c"), undefined);
});
