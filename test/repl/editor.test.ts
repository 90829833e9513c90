import assert from "node:assert/strict";
import test from "node:test";
import { editorAt, positionOf } from "../../repl/editor";

const position = { file: "/c/hosts/a.ts", line: 7, column: 3 };

test("each editor gets the line in its own syntax", () => {
  const cases: [env: NodeJS.ProcessEnv, command: string][] = [
    [{ EDITOR: "vi" }, "vi +7 /c/hosts/a.ts"],
    [{ EDITOR: "vi", VISUAL: "nano -w" }, "nano -w +7,3 /c/hosts/a.ts"],
    [{ EDITOR: "/usr/bin/code" }, "/usr/bin/code --wait --goto /c/hosts/a.ts:7:3"],
    [{ EDITOR: "hx" }, "hx /c/hosts/a.ts:7:3"],
    [{ EDITOR: "emacsclient -t" }, "emacsclient -t +7:3 /c/hosts/a.ts"],
  ];
  for (const [env, command] of cases) assert.equal(editorAt(position, env)?.join(" "), command);
  assert.equal(editorAt(position, { PATH: "/nowhere" }), undefined);
});

test("a site is a position in a file, unless it is of the prompt, of the engine, or not a source", () => {
  const consfig = { root: "/c", isSource: (file: string) => file === "/c/hosts/a.ts" };
  assert.deepEqual(positionOf("hosts/a.ts:7:3", consfig), position);
  for (const site of [
    "prompt[3]:1:1",
    "stdin:2:1",
    "consfigurator/lib/engine/apply.ts:1:1",
    "",
    "/etc/shadow:1:1",
    "../../etc/shadow:1:1",
    "hosts/b.ts:1:1",
  ])
    assert.equal(positionOf(site, consfig), undefined);
});
