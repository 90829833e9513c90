import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import test from "node:test";
import type { ReadStream } from "node:tty";
import { Cancelled } from "../../lib/model/errors";
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
  const keyboard = new Keyboard(keys as unknown as ReadStream);
  const ask = terminalAsker(keyboard, out, drawing);
  return { ask, seen: () => seen, keyboard };
}

test("yes or no: any other answer repeats the question, Ctrl-D is no", async () => {
  const { ask, seen } = asking("maybe\r", "\r", "yes\r", "\u0004");
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

test("a secret can be pasted", async () => {
  const { ask } = asking("\u001b[200~hush\u001b[201~\r");
  assert.equal(await ask.secret("Password:"), "hush");
});

test("Ctrl-C declines every question, and interrupts what runs; Ctrl-D only this one", async () => {
  const { ask, seen, keyboard } = asking("\u0004", "\u0003");
  let interrupts = 0;
  keyboard.hold(() => {
    interrupts += 1;
  });
  const answers = [ask.secret("One:"), ask.secret("Two:"), ask.secret("Three:"), ask.confirm("Four?")];
  assert.deepEqual(await Promise.all(answers), [undefined, undefined, undefined, false]);
  assert.equal(interrupts, 1);
  assert.equal(seen(), "[One: \n][Two: \n]");
});

test("a question that is withdrawn makes room for the next", async () => {
  const { ask, seen } = asking("", "typed\r");
  const gone = new AbortController();
  const cancelled = new Cancelled("cancelled: the answer is no longer needed");
  const first = assert.rejects(ask.secret("One:", { signal: gone.signal }), cancelled);
  const second = assert.rejects(ask.secret("Two:", { signal: gone.signal }), cancelled);
  const third = ask.secret("Three:");
  setImmediate(() => gone.abort());
  await Promise.all([first, second]);
  assert.equal(await third, "typed");
  assert.equal(seen(), "[One: \n][Three: \n]");
});
