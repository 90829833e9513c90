/** The history of the prompt: over sessions, of several at once, and in a home that cannot be written to. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ReplOptions, start } from "node:repl";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, test } from "node:test";
import { keepHistory } from "../../repl/_history";
import { until } from "../support/until";

let state: string;
const saved = process.env["XDG_STATE_HOME"];
beforeEach(() => {
  state = mkdtempSync(path.join(tmpdir(), "history-"));
  process.env["XDG_STATE_HOME"] = state;
});
afterEach(() => {
  rmSync(state, { recursive: true, force: true });
  if (saved === undefined) delete process.env["XDG_STATE_HOME"];
  else process.env["XDG_STATE_HOME"] = saved;
});

const file = () => path.join(state, "consfigurator/history");
const kept = () => readFileSync(file(), "utf8").split("\n").slice(0, -1);

/** A prompt that keeps `size` inputs. */
function prompt(size = 100) {
  const input = new PassThrough();
  const output = new PassThrough();
  output.resume();
  const options: ReplOptions & { historySize: number } = { input, output, terminal: true, historySize: size };
  const server = start(options);
  keepHistory(server, size);
  const close = async () => {
    const closed = new Promise((resolve) => server.once("exit", resolve));
    server.close();
    await closed;
  };
  return { type: (text: string) => input.write(`${text}\r`), close, server };
}

describe("inputs are kept", () => {
  test("over sessions, the newest first and as many as wanted, readable by their owner alone", async () => {
    const first = prompt();
    for (const text of ["1", "2", "`a", "b`"]) first.type(text);
    await until(
      "the inputs are there",
      () => (first.server as unknown as { history: string[] }).history.length === 3,
    );
    await first.close();
    assert.deepEqual(kept(), ["b`\r`a", "2", "1"]);
    assert.equal(statSync(file()).mode & 0o777, 0o600);
    const second = prompt(3);
    second.type("3");
    await until("the input is kept", () => kept()[0] === "3");
    assert.deepEqual(kept(), ["3", "b`\r`a", "2"]);
    await second.close();
  });

  test("of prompts that are open at once", async () => {
    const [one, other] = [prompt(), prompt()];
    one.type("'one'");
    await until("the first is kept", () => kept().length === 1);
    other.type("'other'");
    await until("the second is kept", () => kept().length === 2);
    one.type("'one again'");
    await until("the third is kept", () => kept().length === 3);
    assert.deepEqual(kept(), ["'one again'", "'other'", "'one'"]);
    await Promise.all([one.close(), other.close()]);
    assert.equal(kept().length, 3);
  });

  test("in memory alone where there is no place for a file", async () => {
    writeFileSync(path.join(state, "consfigurator"), "a file");
    chmodSync(state, 0o500);
    const only = prompt();
    only.type("1");
    await until(
      "it is remembered",
      () => (only.server as unknown as { history: string[] }).history.length === 1,
    );
    await only.close();
  });
});
