import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compileInput } from "../repl/_language";
import { asCommand, commands } from "../repl/commands";
import { typeErrors } from "./support/_typed";
import { blocksOf, brokenLinks, exchangesOf, pages } from "./support/pages";

const blocks = pages().flatMap(blocksOf);

describe("the documentation", () => {
  test("its TypeScript fits the types", () => {
    const shown = blocks.filter(
      ({ language, mark, file }) => language === "ts" && mark === "" && !file?.endsWith(".repl"),
    );
    assert.ok(shown.length > 50);
    assert.deepEqual(typeErrors(shown), []);
  });

  test("what is typed in its transcripts can be typed", () => {
    const said = blocks.flatMap((block) =>
      exchangesOf(block).map(({ line, input }) => ({ place: `${block.page}:${line}`, input })),
    );
    assert.ok(said.length > 5);
    for (const { place, input } of said) {
      const command = asCommand(input);
      if (command) assert.ok(commands.has(command.name), `${place}: there is no command .${command.name}`);
      else assert.doesNotThrow(() => compileInput(input, "prompt://1", { scope: {}, load }), place);
    }
  });

  test("its links lead somewhere", () => {
    assert.deepEqual(pages().flatMap(brokenLinks), []);
  });

  test("marks are known, and few commands are not run", () => {
    const marked = blocks.filter(({ mark }) => mark !== "");
    const allowed = ["ts declaration", "sh no-run"];
    const unknown = marked.filter(({ language, mark }) => !allowed.includes(`${language} ${mark}`));
    assert.deepEqual(
      unknown.map(({ page, line, language, mark }) => `${page}:${line}: ${language} ${mark}`),
      [],
    );
    const notRun = marked.filter(({ mark }) => mark === "no-run").map(({ page, line }) => `${page}:${line}`);
    assert.ok(notRun.length <= 8, `too many commands that no test runs: ${notRun.join(", ")}`);
  });
});

const load = () => Promise.resolve({});
