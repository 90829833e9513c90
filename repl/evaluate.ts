import vm from "node:vm";
import type { Statement } from "./_language";
import type { Scope } from "./scope";

/** Running was broken off from the keyboard. What had been begun may go on. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  constructor() {
    super("interrupted");
    this.stack = "Interrupted";
  }
}

export interface RunOptions {
  /** Breaks off the waiting. */
  readonly signal?: AbortSignal;
  /** Called after each statement, and waited for. */
  readonly each?: (statement: Statement, value: unknown) => Promise<void>;
  /** Runs something with Ctrl-C coming as a signal. Left out: it does not. */
  readonly signalling?: <T>(act: () => T) => T;
}

/** Runs `statements` in order, each to its end, and gives the value of the last. */
export async function runStatements(
  statements: readonly Statement[],
  scope: Scope,
  { signal, each, signalling }: RunOptions = {},
): Promise<unknown> {
  let value: unknown;
  for (const statement of statements) {
    value = await interruptible(
      scope.declare(statement.names, statement.constant, () => breakable(() => statement.run(), signalling)),
      signal,
    );
    await each?.(statement, value);
  }
  return value;
}

/** Node's vm can end a loop that never gives way, from the signal that Ctrl-C sends; only inside a script it runs. */
function breakable<T>(call: () => Promise<T>, signalling: RunOptions["signalling"]): Promise<T> {
  const key = Symbol.for("consfigurator.breakable");
  const holder = globalThis as unknown as Record<symbol, unknown>;
  holder[key] = call;
  try {
    if (!signalling) return call();
    return signalling(() => CALLER.runInThisContext({ breakOnSigint: true })) as Promise<T>;
  } catch (error) {
    throw (error as { code?: unknown }).code === "ERR_SCRIPT_EXECUTION_INTERRUPTED"
      ? new Interrupted()
      : error;
  } finally {
    delete holder[key];
  }
}
const CALLER = new vm.Script('globalThis[Symbol.for("consfigurator.breakable")]()', {
  filename: "node:consfigurator",
});

/** `promise`, unless `signal` comes first: then `Interrupted`, and nobody waits for it any more. */
export function interruptible<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Interrupted());
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
