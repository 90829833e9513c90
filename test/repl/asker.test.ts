import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import test from "node:test";
import type { ReadStream } from "node:tty";
import { terminalAsker } from "../../repl/asker";
import { Keyboard } from "../../repl/keyboard";

/** A user who types the next of `answers` at each question. */
function asking(...answers: string[]) {
  const keys = new PassThrough();
  let seen = "";
  const out = {
    write: (text: string) => {
      seen += text;
      if (text.endsWith(" ")) setImmediate(() => keys.write(answers.shift() ?? ""));
    },
  };
  const drawing = { pause: () => out.write("["), resume: () => out.write("]") };
  const ask = terminalAsker(new Keyboard(keys as unknown as ReadStream), out, drawing);
  return { ask, seen: () => seen };
}

test("yes or no: any other answer repeats the question, Ctrl-C is no", async () => {
  const { ask, seen } = asking("maybe\r", "\r", "yes\r", "\u0003");
  assert.deepEqual(await Promise.all([ask.confirm("Is it?"), ask.confirm("And this?")]), [true, false]);
  assert.equal(
    seen(),
    "[Is it? (yes/no) maybe\nPlease answer yes or no: \nPlease answer yes or no: yes\n][And this? (yes/no) \n]",
  );
});

test("a secret is not echoed", async () => {
  const { ask, seen } = asking("hu!\u007fsh\r");
  assert.equal(await ask.secret("Password:"), "hush");
  assert.equal(seen(), "[Password: \n]");
});
