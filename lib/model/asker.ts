import { Cancelled } from "./errors";
import type { GivenPassword, PasswordRequest } from "./questions";

/**
 * Asks the user at the terminal, from wherever the deployment is done. Absent in unattended sessions, where a hop that
 * would have to ask fails.
 */
export interface Asker {
  /** A line typed without echo; undefined when the user declines. Rejects with `Cancelled` when the question is withdrawn. */
  secret(question: string, options?: AskOptions): Promise<string | undefined>;
  /** True when the user answers yes. Rejects with `Cancelled` when the question is withdrawn. */
  confirm(question: string, options?: AskOptions): Promise<boolean>;
  /** On a host: a password that the user's own machine remembers or asks for; undefined when the user declines. */
  password?(request: PasswordRequest, options?: AskOptions): Promise<GivenPassword | undefined>;
  /** The same for every `Asker` that asks at one terminal. */
  readonly terminal?: object;
}

export interface AskOptions {
  /** Withdraws the question: nobody waits for its answer any more. */
  readonly signal?: AbortSignal;
}

/** Asks as `ask` does, each question inside `around`, which may add a signal that withdraws it. */
export function askingAround(
  ask: Asker,
  around: <T>(question: (options?: AskOptions) => Promise<T>) => Promise<T>,
): Asker {
  const { password } = ask;
  return {
    ...(password && {
      password: (request, given) => around((more) => password(request, joined(given, more))),
    }),
    secret: (question, given) => around((more) => ask.secret(question, joined(given, more))),
    confirm: (question, given) => around((more) => ask.confirm(question, joined(given, more))),
    terminal: terminalOf(ask),
  };
}

/** Identifies the terminal at which `ask` asks. */
export const terminalOf = (ask: Asker): object => ask.terminal ?? ask;

/** Settles as `promise`, or rejects with `Cancelled` once `signal` aborts. */
export function unlessWithdrawn<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const withdraw = () => reject(new Cancelled("cancelled: the answer is no longer needed"));
    if (signal.aborted) return withdraw();
    signal.addEventListener("abort", withdraw, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", withdraw));
  });
}

function joined(one: AskOptions = {}, other: AskOptions = {}): AskOptions {
  const signals = [one.signal, other.signal].filter((signal) => signal !== undefined);
  return signals.length > 0 ? { signal: AbortSignal.any(signals) } : {};
}
