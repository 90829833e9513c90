import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compileInput } from "../repl/_language";
import { asCommand, commands } from "../repl/commands";
import { typeErrors } from "./support/_typed";
import { blocksOf, brokenLinks, exchangesOf, pages } from "./support/pages";

const blocks = pages().flatMap(blocksOf);

describe("the documentation", () => {
  test("its TypeScript type-checks", () => {
    const shown = blocks.filter(
      ({ language, mark, file }) => language === "ts" && mark === "" && !file?.endsWith(".repl"),
    );
    assert.ok(shown.length > 50);
    assert.deepEqual(typeErrors(shown), []);
  });

  test("the input in its transcripts is valid", () => {
    const inputs = blocks.flatMap((block) =>
      exchangesOf(block).map(({ line, input }) => ({ location: `${block.page}:${line}`, input })),
    );
    assert.ok(inputs.length > 5);
    for (const { location, input } of inputs) {
      const command = asCommand(input);
      if (command) assert.ok(commands.has(command.name), `${location}: there is no command .${command.name}`);
      else assert.doesNotThrow(() => compileInput(input, "prompt://1", { scope: {}, load }), location);
    }
  });

  test("its links are not broken", () => {
    assert.deepEqual(pages().flatMap(brokenLinks), []);
  });

  test("block flags are known, and only a few commands are not run", () => {
    const marked = blocks.filter(({ mark }) => mark !== "");
    const allowed = ["ts declaration", "sh no-run"];
    const unknown = marked.filter(({ language, mark }) => !allowed.includes(`${language} ${mark}`));
    assert.deepEqual(
      unknown.map(({ page, line, language, mark }) => `${page}:${line}: ${language} ${mark}`),
      [],
    );
    const notRun = marked.filter(({ mark }) => mark === "no-run").map(({ page, line }) => `${page}:${line}`);
    assert.ok(notRun.length <= 8, `too many commands are not run by a test: ${notRun.join(", ")}`);
  });
});

const load = () => Promise.resolve({});
