import type { CommandTrace } from "../model/events";
import { beginningOf } from "../util/excerpt";

/** Of a command, in characters. */
const MOST_SHOWN = 1000;

/** What the context of a target says of this. */
interface Telling {
  readonly signal: AbortSignal;
  ran?(command: CommandTrace): void;
}

/** `run`, with whoever wants to know of commands told what it came to. `shown`: what a person may see of it. */
export async function traceCommand<R extends { readonly exit: number }>(
  { ran, signal }: Telling,
  shown: string,
  run: () => Promise<R>,
): Promise<R> {
  if (!ran || signal.aborted) return run();
  const started = performance.now();
  let result: R | undefined;
  try {
    result = await run();
    return result;
  } finally {
    const ms = Math.round((performance.now() - started) * 10) / 10;
    ran({ command: beginningOf(shown, MOST_SHOWN), ...(result && { exit: result.exit }), ms });
  }
}
