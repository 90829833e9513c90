import { setTimeout as sleep } from "node:timers/promises";
import type { Channel, Connection } from "../../model/connection";
import { shellQuote } from "../../util/shell-quote";
import { abortedWith, onOneLine, type RawResult, scriptFrom, travelsApart } from "../command";
import { CommandOutput, type Printing } from "../command-output";
import type { Execution } from "../context";
import { feed } from "../feed";

/** How long a cancelled command may take to end before it is killed. */
const TERM_GRACE_MS = 1500;
/** How long the end of a killed command is waited for. */
const KILL_GRACE_MS = 2000;
/** How long it may take to kill what a cancelled command has left. */
const SWEEP_MS = 1000;

/** As `execOver`, with `home` as HOME. A script that is long, or that nobody may see, does not travel as an argument. */
export function runOver(
  connection: Connection,
  script: string,
  how: Execution,
  { home, signal }: { readonly home?: string; readonly signal: AbortSignal },
): Promise<RawResult> {
  const setHome = home === undefined ? ': "${HOME:=/}"' : `HOME=${shellQuote(home)}`;
  const whole = `${setHome}; export HOME\n${script}`;
  if (!travelsApart(whole, how)) return execOver(connection, whole, how, signal);
  return execOver(connection, scriptFrom(0), { ...how, first: onOneLine(whole), looks: false }, signal);
}

/**
 * Runs `script` over `connection`, with `first` before its input, and collects its output. Throws `ConnectionFailed` when the
 * link fails, `Cancelled` when `given` is aborted, and `OutputLimitExceeded`.
 */
export async function execOver(
  connection: Connection,
  script: string,
  how: Printing & Partial<Pick<Execution, "looks" | "input" | "begun">> & { readonly first?: string },
  given: AbortSignal,
): Promise<RawResult> {
  const output = new CommandOutput(how, given);
  const { signal } = output;
  if (signal.aborted) throw abortedWith(signal, `cancelled: \`${how.shown}\` was not started`);
  const looks = how.looks && connection.look;
  const startsAtOnce = how.input === undefined && how.first === undefined;
  const channel = await (looks ? looks(script) : connection.exec(script, { startsAtOnce }));
  how.begun?.();
  output.read("stdout", channel.stdout);
  output.read("stderr", channel.stderr);
  void feed(channel.stdin, how.input, (error) => output.fail(error), how.first);
  const cancelled = whenCancelled(channel, signal, how.shown);
  try {
    const exit = await Promise.race([channel.exit, cancelled.promise]);
    if (signal.aborted) {
      await sweep(channel);
      throw abortedWith(signal, `cancelled: \`${how.shown}\` was ended`);
    }
    return output.result(exit);
  } finally {
    cancelled.forget();
  }
}

/** Ends what has outlived the ended command of `channel`: the connection may be closed next. */
async function sweep(channel: Channel): Promise<void> {
  const sent = Promise.resolve(channel.kill("SIGKILL")).catch(() => {});
  await Promise.race([sent, sleep(SWEEP_MS, undefined, { ref: false })]);
}

/** Ends the command when `signal` is aborted; rejects when it does not end. */
function whenCancelled(
  channel: Channel,
  signal: AbortSignal,
  shown: string,
): { promise: Promise<never>; forget(): void } {
  let patience: NodeJS.Timeout | undefined;
  let forget = () => {};
  const promise = new Promise<never>((_, reject) => {
    const cancel = () => {
      channel.kill("SIGTERM");
      patience = setTimeout(() => {
        channel.kill("SIGKILL");
        patience = setTimeout(() => {
          const seconds = (TERM_GRACE_MS + KILL_GRACE_MS) / 1000;
          reject(
            abortedWith(
              signal,
              `cancelled: \`${shown}\` was sent SIGTERM and SIGKILL, but its end was not seen within ${seconds} s: it may still run`,
            ),
          );
        }, KILL_GRACE_MS);
      }, TERM_GRACE_MS);
    };
    // It may have been aborted while the channel was opened.
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel, { once: true });
    forget = () => {
      clearTimeout(patience);
      signal.removeEventListener("abort", cancel);
      channel.exit.catch(() => {});
    };
  });
  return { promise, forget };
}
