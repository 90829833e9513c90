import { StringDecoder } from "node:string_decoder";
import type { Asker, AskOptions } from "../lib/model/asker";
import { Cancelled } from "../lib/model/errors";
import { cleanReason } from "../lib/model/host-events";
import { colour } from "./_colour";
import { fitted } from "./_layout";
import type { Keyboard } from "./keyboard";
import type { Out } from "./views/view";

/**
 * Asks the user one question at a time. `drawing` is paused meanwhile, so that views do not overwrite the question. Ctrl-C
 * declines this question and those that wait for their turn, and interrupts what runs; Ctrl-D declines this one only.
 */
export function terminalAsker(
  keyboard: Keyboard,
  out: Out,
  drawing: { pause(): void; resume(): void },
): Asker {
  let turn: Promise<unknown> = Promise.resolve();
  /** Counts Ctrl-C: questions asked before the last one are declined. */
  let interrupts = 0;
  /** Runs `act` after the questions before it, with drawing paused; unless it is declined or withdrawn by then. */
  const inTurn = <T>(act: () => Promise<T>, declined: T, signal: AbortSignal | undefined): Promise<T> => {
    const before = interrupts;
    const asked = turn.then(async () => {
      if (signal?.aborted) throw withdrawn();
      if (interrupts > before) return declined;
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
  const interrupt = () => {
    interrupts += 1;
    keyboard.interrupt();
  };
  const ask = (asked: string, echo: boolean, signal: AbortSignal | undefined) => {
    // A host may have sent it.
    const question = cleanReason(asked);
    out.write(`${colour.yellow(fitted(question).join("\n"))} `);
    return line(keyboard, out, { echo, signal, interrupt });
  };
  return {
    secret: (question, { signal }: AskOptions = {}) =>
      inTurn(() => ask(question, false, signal), undefined, signal),
    confirm: (question, { signal }: AskOptions = {}) =>
      inTurn(
        async () => {
          let answer = await ask(`${question} (yes/no)`, true, signal);
          while (answer !== undefined && !/^\s*(y|yes|n|no)\s*$/i.test(answer))
            answer = await ask("Please answer yes or no:", true, signal);
          return /^\s*y/i.test(answer ?? "");
        },
        false,
        signal,
      ),
  };
}

interface LineOptions {
  readonly echo: boolean;
  readonly signal: AbortSignal | undefined;
  interrupt(): void;
}

/** A line from a terminal in raw mode; undefined if the user declines it. Rejects with `Cancelled` when it is withdrawn. */
function line(
  keyboard: Keyboard,
  out: Out,
  { echo, signal, interrupt }: LineOptions,
): Promise<string | undefined> {
  const decoder = new StringDecoder("utf8");
  let typed = "";
  return new Promise((resolve, reject) => {
    const end = () => {
      giveBack();
      signal?.removeEventListener("abort", withdraw);
      out.write("\n");
    };
    const answer = (text: string | undefined) => {
      end();
      resolve(text);
    };
    const withdraw = () => {
      end();
      reject(withdrawn());
    };
    const giveBack = keyboard.lend((chunk) => {
      for (const key of decoder.write(chunk)) {
        if (key === "\r" || key === "\n") return answer(typed);
        if (key === "\u0003" || key === "\u0004") {
          answer(undefined);
          if (key === "\u0003") interrupt();
          return;
        }
        if (key === "\u007f" || key === "\b") {
          if (echo && typed) out.write("\b \b");
          typed = [...typed].slice(0, -1).join("");
        } else if (key >= " ") {
          typed += key;
          if (echo) out.write(key);
        }
      }
    });
    signal?.addEventListener("abort", withdraw, { once: true });
  });
}

const withdrawn = () => new Cancelled("cancelled: the answer is no longer needed");
