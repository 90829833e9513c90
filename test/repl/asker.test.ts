import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import test from "node:test";
import type { ReadStream } from "node:tty";
import { terminalAsker } from "../../repl/asker";
import { Keyboard } from "../../repl/keyboard";

/** Somebody who types the next of `answers` whenever asked. */
function asking(...answers: string[]) {
  const keys = new PassThrough();
  let seen = "";
  const out = {
    write: (text: string) => {
      seen += text;
      if (text.endsWith(" ")) setImmediate(() => keys.write(answers.shift() ?? ""));
    },
  };
  const aside = { begin: () => out.write("["), end: () => out.write("]") };
  const ask = terminalAsker(new Keyboard(keys as unknown as ReadStream), out, aside);
  return { ask, seen: () => seen };
}

test("yes or no: something else is asked again, Ctrl-C is no", async () => {
  const { ask, seen } = asking("maybe\r", "\r", "yes\r", "\u0003");
  assert.deepEqual(await Promise.all([ask.confirm("Is it?"), ask.confirm("And this?")]), [true, false]);
  assert.equal(
    seen(),
    "[Is it? (yes/no) maybe\nPlease say yes or no: \nPlease say yes or no: yes\n][And this? (yes/no) \n]",
  );
});

test("a secret is not shown", async () => {
  const { ask, seen } = asking("hu!\u007fsh\r");
  assert.equal(await ask.secret("Password:"), "hush");
  assert.equal(seen(), "[Password: \n]");
});
