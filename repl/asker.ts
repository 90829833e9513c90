import { StringDecoder } from "node:string_decoder";
import type { Asker } from "../lib/model/hop";
import { cleanReason } from "../lib/model/host-events";
import { colour } from "./_colour";
import { fitted } from "./_layout";
import type { Keyboard } from "./keyboard";
import type { Out } from "./views/view";

/** Asks the user one question at a time. `drawing` is paused meanwhile, so that views do not overwrite the question. */
export function terminalAsker(
  keyboard: Keyboard,
  out: Out,
  drawing: { pause(): void; resume(): void },
): Asker {
  let turn: Promise<unknown> = Promise.resolve();
  /** Runs `act` after the questions before it, with drawing paused. */
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const asked = turn.then(async () => {
      drawing.pause();
      try {
        return await act();
      } finally {
        drawing.resume();
      }
    });
    turn = asked.catch(() => {});
    return asked;
  };
  const ask = (asked: string, echo: boolean): Promise<string | undefined> => {
    // A host may have sent it.
    const question = cleanReason(asked);
    out.write(`${colour.yellow(fitted(question).join("\n"))} `);
    return line(keyboard, out, echo);
  };
  return {
    secret: (question) => inTurn(() => ask(question, false)),
    confirm: (question) =>
      inTurn(async () => {
        let answer = await ask(`${question} (yes/no)`, true);
        while (answer !== undefined && !/^\s*(y|yes|n|no)\s*$/i.test(answer))
          answer = await ask("Please answer yes or no:", true);
        return /^\s*y/i.test(answer ?? "");
      }),
  };
}

/** A line from a terminal in raw mode; Ctrl-C or Ctrl-D declines. */
function line(keyboard: Keyboard, out: Out, echo: boolean): Promise<string | undefined> {
  const decoder = new StringDecoder("utf8");
  let typed = "";
  return new Promise((resolve) => {
    const end = (answer: string | undefined) => {
      giveBack();
      out.write("\n");
      resolve(answer);
    };
    const giveBack = keyboard.lend((chunk) => {
      for (const key of decoder.write(chunk)) {
        if (key === "\r" || key === "\n") return end(typed);
        if (key === "\u0003" || key === "\u0004") return end(undefined);
        if (key === "\u007f" || key === "\b") {
          if (echo && typed) out.write("\b \b");
          typed = [...typed].slice(0, -1).join("");
        } else if (key >= " ") {
          typed += key;
          if (echo) out.write(key);
        }
      }
    });
  });
}
