import type { CommandTrace } from "../model/events";
import { beginningOf } from "../util/excerpt";

/** The maximum length of a reported command, in characters. */
const MOST_SHOWN = 1000;

/** The part of a target context that this needs. */
interface Telling {
  readonly signal: AbortSignal;
  ran?(command: CommandTrace): void;
}

/** The result of `run`, reported to the context in verbose deployments. `shown`: the command as shown to users. */
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
